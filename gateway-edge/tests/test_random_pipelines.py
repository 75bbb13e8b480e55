"""Whatever users' middleware does, in whatever order: on the wire each call has one whole answer, or none that looks whole."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httptools
from hypothesis import given
from hypothesis import strategies as st

from chassis.config import Settings
from chassis.errors import Reason, RunestoneError
from chassis.metrics import Metrics
from chassis.snapshots import Snapshot
from chassis.testing import FakeClock
from chassis.tracing import Tracing
from gateway_edge.call import Call
from gateway_edge.containment.middleware import Contained
from gateway_edge.door.door import Door
from gateway_edge.door.metrics import EdgeMetrics
from gateway_edge.door.running import RunningCalls
from gateway_edge.door.ways import Ways
from gateway_edge.http1.request import Request
from gateway_edge.middleware.base import Middleware, Pipeline, Proceed
from gateway_edge.plugin import change_answer
from gateway_edge.policy import Policy

EVENTS = [b"data: 1\n\n", b"data: 2\n\n", b"data: [DONE]\n\n"]
WHOLE = b"".join(EVENTS)
ERRORS: list[Callable[[], BaseException]] = [
    lambda: ValueError("broken"),
    lambda: SystemExit(1),
    asyncio.CancelledError,
    lambda: ConnectionRefusedError("another service"),
    TimeoutError,
]


@dataclass
class Wire:
    """A connection: everything that was written to it."""

    written: bytes = b""
    is_aborted: bool = False
    keeps_alive: bool = True
    client_address: str = "127.0.0.1"

    async def write(self, data: bytes) -> None:
        if self.is_aborted:
            raise ConnectionResetError("the client is gone")
        self.written += data
        await asyncio.sleep(0)

    write_aside = None
    read_body = None

    def cut(self) -> None:
        self.is_aborted = True


@dataclass
class Answers:
    """What a client reads, as llhttp does: a second answer, or bytes behind the first, would be seen."""

    wire: Wire
    status: int = 0
    body: bytes = b""
    ends: int = 0

    def __post_init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._parser.feed_data(self.wire.written)
        self.status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.ends += 1


class NothingRepeated:
    """No request is known."""


NOTHING_REPEATED: Any = NothingRepeated()


class Quiet:
    """A log that nobody reads."""

    def __getattr__(self, _level: str) -> Callable[..., None]:
        return lambda *_, **__: None


class Last:
    """Answers as the last of a pipeline does, or fails with `error` after `count` events."""

    name = "last"

    def __init__(self, *, streams: bool, error: BaseException | None = None, count: int = 0) -> None:
        self.streams, self.error, self.count, self.asked = streams, error, count, 0

    async def __call__(self, call: Call, proceed: Proceed) -> None:
        self.asked += 1
        for event in EVENTS[: self.count if self.error else len(EVENTS)] if self.streams else ():
            await call.reply.write(event)
        if self.error is not None:
            raise self.error
        if self.streams:
            await call.reply.close()
        else:
            await call.reply.send(WHOLE)


# What a middleware may do wrong, each with the error that it raises. `change` breaks over the answer on its way.


async def break_before(call: Call, proceed: Proceed, error: BaseException) -> None:
    raise error


async def break_after(call: Call, proceed: Proceed, error: BaseException) -> None:
    await proceed(call)
    raise error


async def break_change(call: Call, proceed: Proceed, error: BaseException) -> None:
    left = [b"only the first passes"]

    def change(data: bytes) -> bytes:
        if not left:
            raise error
        left.pop()
        return data

    change_answer(call, change)
    await proceed(call)


async def break_cleaning(call: Call, proceed: Proceed, error: BaseException) -> None:
    try:
        await proceed(call)
    finally:
        raise error


async def proceed_twice(call: Call, proceed: Proceed, error: BaseException) -> None:
    await proceed(call)
    await proceed(call)


async def forget(call: Call, proceed: Proceed, error: BaseException) -> None:
    return


async def swallow(call: Call, proceed: Proceed, error: BaseException) -> None:
    try:
        await proceed(call)
    except Exception:  # noqa: BLE001  what it does wrong
        return


async def send_before(call: Call, proceed: Proceed, error: BaseException) -> None:
    await call.reply.send(b"mine")
    await proceed(call)


async def write_before(call: Call, proceed: Proceed, error: BaseException) -> None:
    await call.reply.write(b"data: mine\n\n")
    await proceed(call)


async def write_and_break(call: Call, proceed: Proceed, error: BaseException) -> None:
    await call.reply.write(b"data: mine\n\n")
    raise error


async def send_after(call: Call, proceed: Proceed, error: BaseException) -> None:
    await proceed(call)
    await call.reply.send(b"mine")


async def leave_it_running(call: Call, proceed: Proceed, error: BaseException) -> None:
    async def fail() -> None:
        await asyncio.sleep(0)
        raise KeyError("beside") from error

    await asyncio.gather(proceed(call), fail())


async def refuse(call: Call, proceed: Proceed, error: BaseException) -> None:
    raise RunestoneError(Reason.PERMISSION_DENIED, "no")


async def behave(call: Call, proceed: Proceed, error: BaseException) -> None:
    await proceed(call)


PASSED_OVER = [break_before, break_after, break_change, proceed_twice, forget, behave]
EVERYTHING = [
    *PASSED_OVER,
    *(break_cleaning, swallow, send_before, write_before, write_and_break, send_after, leave_it_running, refuse),
]


def middlewares(deeds: list[Any]) -> st.SearchStrategy[Any]:
    policies = st.sampled_from(["fail", "skip"])
    return st.lists(st.tuples(st.sampled_from(deeds), st.sampled_from(ERRORS), policies), max_size=5)


def contain(deed: Any, make_error: Callable[[], BaseException], on_error: str) -> Contained:
    class Made:
        async def __call__(self, call: Call, proceed: Proceed) -> None:
            await deed(call, proceed, make_error())

    errors = Metrics().counter("middleware_errors", "x", ("middleware", "policy"))
    return Contained(deed.__name__, Made(), on_error, errors, Quiet())


async def ask(steps: list[Middleware]) -> Answers:
    """One call through a real door, and what stands on its connection afterwards."""
    policy = Policy.of(Snapshot("v1", Settings()), 0.0)
    ways = Ways(policy, {("*", "*"): Pipeline(steps)}, Pipeline([]))
    clock, tracing = FakeClock(), Tracing("edge")
    running = RunningCalls(clock=clock, tracing=tracing, metrics=EdgeMetrics(Metrics()), log=Quiet())
    door = Door(lambda: ways, running, running, NOTHING_REPEATED, clock=clock, new_id=lambda: "req_1", tracing=tracing)
    wire = Wire()
    async with asyncio.timeout(5):
        await door.handle(Request("POST", "/v1/chat/completions"), wire)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    return Answers(wire)


@given(made=middlewares(EVERYTHING), streams=st.booleans(), error=st.sampled_from([None, *ERRORS[:2]]), data=st.data())
def test_a_call_is_never_left_unanswered_nor_answered_twice(made, streams, error, data) -> None:
    """And an answer that is not whole never has [DONE]: behind it nothing but an error may stand."""
    count = data.draw(st.integers(0, len(EVENTS) - 1))
    fault = RunestoneError(Reason.PROVIDER_STREAM_CUT, "cut") if error else None
    last = Last(streams=streams, error=fault, count=count)
    answers = asyncio.run(ask([*(contain(*one) for one in made), last]))
    assert answers.ends <= 1
    is_cut = answers.wire.is_aborted and leave_it_running in [deed for deed, *_ in made]
    assert answers.ends == 1 or is_cut
    assert last.asked <= 1
    if b"[DONE]" in answers.body:
        assert answers.status == 200
        told, done, behind = answers.body.partition(EVENTS[-1])
        assert WHOLE.endswith(told + done) or (told + done).endswith(WHOLE)
        assert not behind or behind.startswith(b'data: {"error":')
    if answers.status != 200:
        assert b'"error":' in answers.body


@given(made=middlewares(PASSED_OVER), streams=st.booleans())
def test_middleware_that_break_and_are_skipped_might_as_well_not_be_there(made, streams) -> None:
    last = Last(streams=streams)
    skipped = [contain(deed, make_error, "skip") for deed, make_error, _ in made]
    answers = asyncio.run(ask([*skipped, last]))
    assert (answers.status, answers.ends, answers.body, last.asked) == (200, 1, WHOLE, 1)
