"""The configuration changes while the mesh serves: no call fails for it, each runs under one snapshot, and what is taken away
is gone at once."""

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from real_mesh import ACME, OTHER, Mesh, mesh_running

PORTS = {"http": {"port": 0}, "admin": {"port": 0}, "websocket": {"port": 0}, "grpc": {"port": 0}}
RELOADS = 100
OVERLAP = 20  # rotations that a key outlives: more than come within one call
PATIENCE = 20.0


@pytest.fixture(scope="module")
def mesh() -> Iterator[Mesh]:
    """Two edge workers, and services with replicas."""
    replicas = {"cache": {"replicas": 2}, "provider": {"replicas": 2}}
    with mesh_running(edge={**PORTS, "workers": 2, "end_revoked_streams": True}, mesh=replicas) as running:
        yield running


@pytest.fixture
def configure(mesh: Mesh) -> Iterator[Callable[..., None]]:
    """Replaces sections of the configuration in one step; at the end it is what it was."""
    path = Path(mesh.about["config"])
    first = path.read_text()

    def write(text: str) -> None:
        draft = path.with_suffix(".draft")
        draft.write_text(text)
        draft.replace(path)

    yield lambda **sections: write(json.dumps({**json.loads(first), **sections}, indent=1))
    write(first)
    asyncio.run(reload(mesh))


async def reload(mesh: Mesh) -> tuple[int, dict[str, Any]]:
    """What `POST /admin/v1/reload` answers."""
    headers = {"authorization": f"Bearer {(mesh.data_dir / 'admin.key').read_text()}"}
    async with (
        aiohttp.ClientSession(mesh.admin_url, headers=headers) as session,
        session.post("/admin/v1/reload") as answer,
    ):
        return answer.status, await answer.json()


async def ask(mesh: Mesh, key: str, model: str = "sim/words=3", *, stream: bool = False) -> tuple[int, str]:
    """One call on a connection of its own: whichever worker takes it."""
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}], "stream": stream}
    async with (
        aiohttp.ClientSession(mesh.url, headers={"authorization": f"Bearer {key}"}) as session,
        session.post("/v1/chat/completions", json=body) as answer,
    ):
        return answer.status, await answer.text()


async def statuses(mesh: Mesh, key: str, count: int = 20) -> set[int]:
    """Of so many calls that every worker is sure to have had some."""
    return {status for status, _ in await asyncio.gather(*(ask(mesh, key) for _ in range(count)))}


async def wait_until(holds: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not await holds():
        assert time.monotonic() < deadline, f"not within {PATIENCE} s: {what}"
        await asyncio.sleep(0.02)


class Load:
    """Calls without end, each with the newest key there is; `failed` is what was not answered well."""

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        self.key = ACME
        self.answered = 0
        self.failed: list[tuple[int, str]] = []

    @asynccontextmanager
    async def running(self, at_once: int = 6) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self._run(number)) for number in range(at_once)]
        try:
            yield
        finally:
            self._is_over = True
            await asyncio.gather(*tasks)

    async def _run(self, number: int) -> None:
        self._is_over = False
        while not self._is_over:
            status, text = await ask(self.mesh, self.key, "swinging", stream=bool(number % 2))
            self.answered += 1
            if status != 200 or (number % 2 and not text.endswith("data: [DONE]\n\n")):
                self.failed.append((status, text[-300:]))


def edition(number: int) -> dict[str, Any]:
    """The configuration's sections, `number` times changed: another key, beside those that running calls may have; another
    provider."""
    keys = [{"name": f"k{one}", "secret": key_of(one)} for one in range(max(0, number - OVERLAP), number + 1)]
    return {
        "providers": [{"name": f"sim{number}", "kind": "simulated"}],
        "models": [{"name": "swinging", "targets": [{"provider": f"sim{number}", "model": "words=3,latency=5ms"}]}],
        "tenants": [{"name": "acme", "keys": keys}],
    }


def key_of(number: int) -> str:
    return f"swinging-key-{number:010}"


async def test_reloads_and_rotated_keys_under_load_fail_no_call(mesh: Mesh, configure: Callable[..., None]) -> None:
    """Each call is served under the snapshot that it began with, by both the edge and provider-svc."""
    load, providers = Load(mesh), {}
    for number in range(RELOADS + 1):
        configure(**edition(number))
        status, said = await reload(mesh)
        assert (status, set(said["parts"].values())) == (200, {said["version"]}), said
        providers[said["version"]] = f"sim{number}"
        load.key = key_of(number)
        if number == 0:
            running = load.running()
            await running.__aenter__()
    await running.__aexit__(None, None, None)
    assert load.failed == []
    assert load.answered >= RELOADS
    records = [record for record in mesh.audit_records(tenant="acme") if record.model == "swinging"]
    assert len({record.snapshot_version for record in records}) > 10
    assert {(record.snapshot_version, record.provider) for record in records} <= set(providers.items())


async def test_a_changed_file_is_enough(mesh: Mesh, configure: Callable[..., None]) -> None:
    assert await statuses(mesh, "fresh-key-0123456789") == {401}
    configure(tenants=[{"name": "acme", "keys": [{"name": "ci", "secret": "fresh-key-0123456789"}]}])

    async def is_known() -> bool:
        return await statuses(mesh, "fresh-key-0123456789") == {200}

    await wait_until(is_known, "the key is known to every worker")


async def test_a_revoked_key_is_refused_by_every_worker_once_its_reload_answers(
    mesh: Mesh, configure: Callable[..., None]
) -> None:
    assert await statuses(mesh, ACME) == {200}
    configure(tenants=[{"name": "other", "keys": [{"name": "ci", "secret": OTHER}]}])
    assert (await reload(mesh))[0] == 200
    assert await statuses(mesh, ACME) == {401}
    assert await statuses(mesh, OTHER) == {200}


async def test_a_revoked_key_ends_its_streams_and_no_other(mesh: Mesh, configure: Callable[..., None]) -> None:
    """Honestly: by an error event, and without `[DONE]`."""
    configure(tenants=[
        {"name": "acme", "keys": [{"name": "ci", "secret": ACME}, {"name": "old", "secret": "old-key-0123456789ab"}]}
    ])  # fmt: skip
    assert (await reload(mesh))[0] == 200
    keys = ["old-key-0123456789ab"] * 4 + [ACME] * 4
    running = [asyncio.create_task(ask(mesh, key, "sim/words=60,pace=30ms", stream=True)) for key in keys]
    await asyncio.sleep(0.3)
    configure(tenants=[{"name": "acme", "keys": [{"name": "ci", "secret": ACME}]}])
    assert (await reload(mesh))[0] == 200
    texts = [text for _, text in await asyncio.gather(*running)]
    assert [("revoked_api_key" in text, text.endswith("data: [DONE]\n\n")) for text in texts] == [
        *[(True, False)] * 4,
        *[(False, True)] * 4,
    ]


async def test_a_replica_that_is_killed_during_reloads_fails_only_what_it_had_begun(
    mesh: Mesh, configure: Callable[..., None]
) -> None:
    load = Load(mesh)
    configure(**edition(0))
    await reload(mesh)
    load.key = key_of(0)
    async with load.running(at_once := 6):
        for number in range(1, 11):
            if number in (3, 6):
                os.kill(await find_process(mesh, "provider-1"), signal.SIGKILL)
            configure(**edition(number))
            status, said = await reload(mesh)
            assert (status, set(said["parts"].values())) == (200, {said["version"]}), said
            load.key = key_of(number)
    assert {status for status, _ in load.failed} <= {200, 502, 503}
    assert len(load.failed) <= 2 * at_once

    async def is_ready() -> bool:
        return (await read_readiness(mesh))["status"] == "ready"

    await wait_until(is_ready, "all are back")
    assert {part["version"] for part in (await read_readiness(mesh))["parts"].values()} == {said["version"]}


async def find_process(mesh: Mesh, part: str) -> int:
    """The part's process id, once there is one: 0 would be this test's own process group."""
    async with asyncio.timeout(PATIENCE):
        while not (pid := (await read_readiness(mesh))["parts"][part]["pid"]):
            await asyncio.sleep(0.05)
    return pid


async def read_readiness(mesh: Mesh) -> dict[str, Any]:
    async with aiohttp.ClientSession(mesh.admin_url) as session, session.get("/health/readiness") as answer:
        return await answer.json()


REFUSAL = "PluginError: cannot make the middleware 'unlucky:Unlucky': LookupError: no thirteenth floor"
UNLUCKY = """
import msgspec

class Unlucky:
    class Options(msgspec.Struct, frozen=True):
        number: int = 7

    def __init__(self, options):
        if options.number == 13:
            raise LookupError("no thirteenth floor")

    async def __call__(self, call, proceed):
        call.reply.headers["x-floor"] = "here"
        await proceed(call)
"""


@pytest.mark.parametrize("options", [[], ["--one-process"]], ids=["processes", "one-process"])
def test_a_middleware_that_cannot_be_made_keeps_the_old_configuration_everywhere(
    options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is only found out where it is made; the services that would have followed do not."""
    (tmp_path / "unlucky.py").write_text(UNLUCKY)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def pipeline(number: int) -> dict[str, Any]:
        return {"default": ["authenticate", "validate", {"unlucky:Unlucky": {"number": number}}]}

    with mesh_running(*options, edge={**PORTS, "workers": 2}, pipelines=pipeline(1)) as mesh:
        path, before = Path(mesh.about["config"]), mesh.about["version"]
        first = json.loads(path.read_text())
        path.write_text(json.dumps({**first, "pipelines": pipeline(13)}))
        status, said = asyncio.run(reload(mesh))
        assert (status, said["error"]["type"], said["version"]) == (400, "refused", before)
        assert set(said["error"]["parts"].values()) == {REFUSAL}
        assert {part["version"] for part in asyncio.run(read_readiness(mesh))["parts"].values()} == {before}
        assert asyncio.run(statuses(mesh, ACME)) == {200}
        path.write_text(json.dumps({**first, "pipelines": pipeline(14)}))
        assert asyncio.run(reload(mesh))[0] == 200


def test_the_command_reloads_and_says_what_is_wrong(mesh: Mesh, configure: Callable[..., None]) -> None:
    configure(cache={"default_ttl": "8m"})
    (said,) = mesh.command("reload")
    assert set(said["parts"].values()) == {said["version"]} == {mesh.about["version"]}
    configure(cache={"default_ttl": "soon"})
    with pytest.raises(AssertionError, match=r"cache\.default_ttl: Expected a duration"):
        mesh.command("reload")
