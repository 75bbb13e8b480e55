"""Warming the cache from the command line: where the questions come from, and one round over them."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from chassis.client import Channel
from chassis.clock import SystemClock
from gateway_edge.inner.question_file import Line, read_in_steps
from gateway_edge.inner.round import Came, Pace, Round
from launcher.cli.asking import ask_service
from launcher.cli.cache_warm_asking import Asker
from launcher.cli.cache_warm_audit import Found, Recorded, find_questions
from launcher.cli.cache_warm_board import WarmBoard
from launcher.cli.talking import INTERRUPTED, LIMITS, find_gateway
from launcher.errors import LaunchError
from runestone.audit.v1.audit_pb2_grpc import AuditServiceStub

__all__ = ["Order", "Recorded", "warm_from_audit", "warm_from_file"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """How to ask, and as whom. `rate` is questions a second, `concurrency` questions at a time."""

    rate: float
    concurrency: int
    key_file: Path | None
    data_dir: Path | None
    as_json: bool


def warm_from_file(order: Order, path: Path) -> int:
    """Asks the file's questions; the process's exit code. Raises LaunchError when the file, the mesh or a key is not there."""
    try:
        with path.open("rb") as file:
            return _warm(order, read_in_steps(file), total=path.stat().st_size or None, source=str(path))
    except OSError as error:
        raise LaunchError(f"cannot read {path}: {error.strerror}") from error


def warm_from_audit(order: Order, wanted: Recorded) -> int:
    """Asks what records hold; the process's exit code. Raises LaunchError as `warm_from_file` does, and when records hold no
    question, or several tenants'."""

    async def ask(channel: Channel) -> Found:
        return await find_questions(AuditServiceStub(channel), wanted)

    questions = ask_service("audit", order.data_dir, ask).choose()
    return _warm(order, _as_lines(questions), total=len(questions), source="audit")


async def _as_lines(questions: Iterable[bytes]) -> AsyncGenerator[Line, None]:
    for number, body in enumerate(questions, 1):
        yield Line(number, number, body)


def _warm(order: Order, lines: AsyncGenerator[Line, None], *, total: int | None, source: str) -> int:
    """One round with its board. Ctrl-C cancels what is being asked; what was asked stays counted."""
    asker = Asker(find_gateway(order.data_dir, order.key_file))
    board = WarmBoard(source, total, as_json=order.as_json)

    def note(line: Line, came: Came) -> None:
        board.show(line, came, asking.describe())
        if asker.is_refused:
            asking.stop()

    asking = Round(asker.ask, Pace(order.rate, SystemClock()), most=order.concurrency, note=note)
    is_interrupted = False
    with board:
        try:
            asyncio.run(_ask_all(asker, asking, lines))
        except KeyboardInterrupt:
            is_interrupted = True
    counts = asking.describe()
    board.sum_up(counts, asker.failures, is_interrupted=is_interrupted)
    if is_interrupted:
        return INTERRUPTED
    return 1 if counts["failed"] or counts["bad_lines"] else 0


async def _ask_all(asker: Asker, asking: Round, lines: AsyncGenerator[Line, None]) -> None:
    async with aiohttp.ClientSession(timeout=LIMITS) as session, aclosing(lines):
        asker.session = session
        await asking.run(lines)
