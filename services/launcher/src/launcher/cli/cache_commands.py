"""What the commands about the cache do: every replica is asked, and one that cannot be makes the command fail."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import typer
from rich.console import Console

from chassis.errors import RunestoneError
from launcher.address_book import open_address_book
from launcher.cache_desk import CacheDesk
from launcher.cache_orders import select
from launcher.cache_report import add_up, describe_cache
from launcher.cli.cache_table import draw_cache
from launcher.errors import LaunchError
from launcher.replica_desk import Asked
from runestone.cache.v1.cache_pb2 import GetStatisticsResponse

WHOLE_KEY = 64  # hex digits

T = TypeVar("T")


def show_statistics(data_dir: Path | None, *, as_json: bool) -> None:
    """Prints them. Raises LaunchError naming the replicas that could not be asked, once the others' are printed."""
    asked = _ask(data_dir, CacheDesk.take_stock)
    if asked.answers:
        _print_statistics(asked, as_json=as_json)
    _fail_for(asked.failures)


def purge(data_dir: Path | None, members: Mapping[str, object], *, as_json: bool) -> None:
    """Purges what fits all `members` of a PurgeOrder and prints how many. Raises LaunchError as `show_statistics` does, and for what
    selects nothing."""
    try:
        selection = select(members)
    except RunestoneError as error:
        raise LaunchError(error.message) from error
    asked = _ask(data_dir, lambda desk: desk.purge(selection))
    counts = {name: answer.purged for name, answer in asked.answers.items()}
    if as_json:
        _print_json({"purged": sum(counts.values()), "replicas": counts, "failures": dict(asked.failures)})
    elif counts:
        typer.echo(f"purged {spell_counts(counts)}")
    _fail_for(asked.failures)


def shred(data_dir: Path | None, tenant: str, *, as_json: bool) -> None:
    """Makes unreadable what is kept for `tenant`. Raises LaunchError as `show_statistics` does."""
    if not tenant:
        raise LaunchError("name a tenant")
    asked = _ask(data_dir, lambda desk: desk.shred(tenant))
    counts = {name: answer.purged for name, answer in asked.answers.items()}
    is_destroyed = any(answer.key_destroyed for answer in asked.answers.values())
    if as_json:
        done = {"tenant": tenant, "purged": sum(counts.values()), "key_destroyed": is_destroyed}
        _print_json({**done, "replicas": counts, "failures": dict(asked.failures)})
    elif counts:
        key = "destroyed the key of" if is_destroyed else "there was no key of"
        typer.echo(f"{key} {tenant}; purged {spell_counts(counts)}")
    _fail_for(asked.failures)


def check_key(key: str) -> str:
    """A whole key. Raises LaunchError for a piece of one."""
    if len(key) != WHOLE_KEY:
        raise LaunchError(
            f"a key has {WHOLE_KEY} hex digits, this has {len(key)}; for the beginning of one use --prefix"
        )
    return key


def spell_counts(counts: Mapping[str, int]) -> str:
    """The sum, and who had how many where there are several."""
    total = sum(counts.values())
    answers = f"{total:,} answer{'' if total == 1 else 's'}"
    each = ", ".join(f"{name} {count:,}" for name, count in counts.items())
    return f"{answers} ({each})" if len(counts) > 1 else answers


def _ask(data_dir: Path | None, question: Callable[[CacheDesk], Coroutine[Any, Any, Asked[T]]]) -> Asked[T]:
    book = open_address_book(data_dir)
    desk = CacheDesk(book.services, book.dial)
    try:
        return asyncio.run(question(desk))
    except RunestoneError as error:
        raise LaunchError(f"cache: {error.message} ({error.reason})") from error


def _print_statistics(asked: Asked[GetStatisticsResponse], *, as_json: bool) -> None:
    if as_json:
        _print_json(describe_cache(asked))
    else:
        Console().print(draw_cache(add_up(list(asked.answers.values())), asked.answers))


def _fail_for(failures: Mapping[str, str]) -> None:
    if failures:
        raise LaunchError("\n".join(f"{name} could not be asked: {why}" for name, why in failures.items()))


def _print_json(value: object) -> None:
    print(msgspec.json.encode(value).decode())
