"""Whether the files that a configuration was read of are still the same, however they are replaced."""

import asyncio
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress
from pathlib import Path

import pytest

from chassis.config import ConfigError, list_files, parse_settings
from chassis.reload.file_watch import watch_files
from chassis.reload.source import Source

PATIENCE = 10.0


def open_source(path):
    return Source(path, parse_settings, lambda text: list_files(text, Path("data")))


def write_atomically(path: Path, text: str) -> None:
    draft = path.with_suffix(".draft")
    draft.write_text(text)
    draft.replace(path)


def mount_like_kubernetes(folder: Path, version: int, text: str) -> Path:
    """A mounted ConfigMap: the file links through `..data`, which is swapped for a link to another folder; the first is cleared
    away."""
    before = (folder / "..data").resolve() if (folder / "..data").exists() else None
    data = folder / f"..{version}"
    data.mkdir()
    (data / "runestone.yaml").write_text(text)
    (folder / "..data_tmp").symlink_to(data.name)
    (folder / "..data_tmp").replace(folder / "..data")
    if before is not None:
        shutil.rmtree(before)
    path = folder / "runestone.yaml"
    if not path.is_symlink():
        path.symlink_to("..data/runestone.yaml")
    return path


def test_without_a_file_there_are_the_defaults_for_ever():
    source = open_source(None)
    assert source.read() == source.read() == parse_settings("")
    assert not source.is_stale


def test_a_file_that_was_replaced_is_read_again(tmp_path):
    path = tmp_path / "runestone.yaml"
    path.write_text("cache: {max_size: 1}")
    source = open_source(path)
    assert source.read().cache.max_size == 1
    assert not source.is_stale
    write_atomically(path, "cache: {max_size: 2}")
    assert source.is_stale
    assert source.read().cache.max_size == 2
    assert not source.is_stale


def test_a_change_of_a_file_that_is_referred_to_counts(tmp_path):
    secret, path = tmp_path / "secret", tmp_path / "runestone.yaml"
    secret.write_text("first")
    path.write_text(f"providers: [{{name: a, kind: openai, api_key: '${{FILE:{secret}}}'}}]")
    source = open_source(path)
    assert source.read().providers[0].api_key.reveal() == "first"
    write_atomically(secret, "second")
    assert source.is_stale
    assert source.read().providers[0].api_key.reveal() == "second"


def test_a_mounted_config_map_changes_with_its_link(tmp_path):
    path = mount_like_kubernetes(tmp_path, 1, "cache: {max_size: 1}")
    source = open_source(path)
    source.read()
    mount_like_kubernetes(tmp_path, 2, "cache: {max_size: 2}")
    assert source.is_stale
    assert source.read().cache.max_size == 2


def test_a_bad_file_is_looked_at_once_and_again_when_it_changes(tmp_path):
    path = tmp_path / "runestone.yaml"
    path.write_text("cache: {max_size: nothing}")
    source = open_source(path)
    with pytest.raises(ConfigError):
        source.read()
    assert not source.is_stale
    write_atomically(path, "cache: {max_size: 1}")
    assert source.is_stale


def test_a_file_that_is_emptied_is_taken_for_one_being_written(tmp_path):
    """Nobody's tenants vanish because an editor truncates before it writes."""
    path = tmp_path / "runestone.yaml"
    path.write_text("cache: {max_size: 1}")
    source = open_source(path)
    source.read()
    path.write_text("\n")
    with pytest.raises(ConfigError, match="is empty now"):
        source.read()
    path.write_text("{}")
    assert source.read() == parse_settings("")


def test_a_file_that_is_gone_is_a_problem_and_its_return_a_change(tmp_path):
    path = tmp_path / "runestone.yaml"
    path.write_text("")
    source = open_source(path)
    source.read()
    path.unlink()
    assert source.is_stale
    with pytest.raises(ConfigError, match="cannot be read"):
        source.read()
    path.write_text("")
    assert source.is_stale


def test_what_came_through_a_pipe_cannot_be_read_again(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    source = open_source(pipe)
    with ThreadPoolExecutor(1) as writing:
        writing.submit(pipe.write_text, "cache: {max_size: 1}")
        assert source.read().cache.max_size == 1
    with pytest.raises(ConfigError, match="pipe"):
        source.read()
    assert not source.is_stale


async def settings_until(source, change, is_there):
    """Watches; makes the change; reads whenever the watch says so until `is_there` holds."""
    async with asyncio.timeout(PATIENCE), aclosing(watch_files(source)) as changes:
        first = asyncio.ensure_future(anext(changes))
        await asyncio.sleep(0.05)  # most often the watch stands by now; where it does not, it looks all the same
        change()
        await first
        while True:
            with suppress(ConfigError):
                if is_there(source.read()):
                    return
            await anext(changes)


async def test_an_atomic_rename_is_noticed(tmp_path):
    path = tmp_path / "runestone.yaml"
    path.write_text("")
    source = open_source(path)
    source.read()
    await settings_until(
        source, lambda: write_atomically(path, "cache: {max_size: 2}"), lambda s: s.cache.max_size == 2
    )


async def test_what_is_being_written_is_read_when_it_is_whole(tmp_path):
    path = tmp_path / "runestone.yaml"
    path.write_text("cache: {max_size: 1}")
    source = open_source(path)
    source.read()
    writing = []

    async def write_slowly() -> None:
        with path.open("w", buffering=1) as file:
            for size in range(2, 8):
                file.write(f"# {size}\n")
                await asyncio.sleep(0.01)
            file.write("cache: {max_size: 8}")

    async with asyncio.timeout(PATIENCE), aclosing(watch_files(source)) as changes:
        first = asyncio.ensure_future(anext(changes))
        await asyncio.sleep(0.05)
        writing.append(asyncio.create_task(write_slowly()))
        await first
        assert source.read().cache.max_size == 8
        await asyncio.gather(*writing)


async def test_the_swap_of_a_mounted_config_map_is_noticed_again_and_again(tmp_path):
    source = open_source(mount_like_kubernetes(tmp_path, 1, "cache: {max_size: 1}"))
    source.read()
    for number in (2, 3):

        def change(number=number):
            mount_like_kubernetes(tmp_path, number, f"cache: {{max_size: {number}}}")

        await settings_until(source, change, lambda settings, number=number: settings.cache.max_size == number)


async def test_a_file_in_another_folder_is_watched_from_when_it_is_referred_to(tmp_path):
    elsewhere, path = tmp_path / "secrets" / "key", tmp_path / "runestone.yaml"
    elsewhere.parent.mkdir()
    elsewhere.write_text("first")
    path.write_text("")
    source = open_source(path)
    source.read()
    text = f"providers: [{{name: a, kind: openai, api_key: '${{FILE:{elsewhere}}}'}}]"
    await settings_until(source, lambda: write_atomically(path, text), lambda settings: bool(settings.providers))

    def is_second(settings) -> bool:
        return settings.providers[0].api_key.reveal() == "second"

    await settings_until(source, lambda: write_atomically(elsewhere, "second"), is_second)
