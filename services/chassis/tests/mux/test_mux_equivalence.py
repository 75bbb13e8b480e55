"""The same servicer gives the same results behind plain gRPC and behind sessions, whatever is asked of it.

Programs of calls are drawn, many at once in each; every call carries what its handler is to do. What a caller gets, and what
the servicer sees, must not depend on what carried the call.
"""

import asyncio
import hashlib
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
import uvloop
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from chassis.errors import Reason, RunestoneError

PATIENCE = 30.0
SHORT = 0.1  # seconds; the handler of such a call hangs, so that any length is long enough
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"

sizes = st.one_of(
    st.integers(0, 100),
    st.sampled_from([0, 65_535, 65_536, 65_537, 262_144, 1 << 20, 3 << 20]),
    st.integers(0, 300_000),
)
words = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=30)
plain_words = st.text("abcdefghijklmnopqrstuvwxyz -_/.", min_size=1, max_size=30).map(lambda word: f"a{word}z")

errors = st.fixed_dictionaries(
    {
        "kind": st.just("error"),
        "reason": st.sampled_from([str(reason) for reason in Reason]),
        "message": words,
        "retry_after": st.none() | st.integers(0, 10**6).map(lambda ms: ms / 1000),
        "param": words,
        "code": words,
        "upstream_status": st.sampled_from([0, 400, 429, 503]),
    }
)
aborts = st.fixed_dictionaries(
    {
        "kind": st.just("abort"),
        "code": st.sampled_from([code.name for code in grpc.StatusCode if code is not grpc.StatusCode.OK]),
        "message": plain_words,
    }
)
crashes = st.just({"kind": "crash"})
whole_ends = st.just({"kind": "whole"})
hangs = st.just({"kind": "hang"})

metadata = st.lists(
    st.tuples(st.sampled_from(["x-tenant", "x-route"]), plain_words)
    | st.tuples(st.sampled_from(["x-key-bin", "x-other-bin"]), st.binary(min_size=1, max_size=40)),
    max_size=3,
    unique_by=lambda entry: entry[0],
)

# How the caller leaves, and how the handler ends: one who leaves early must find a handler that does not end by itself.
endings = st.one_of(
    st.tuples(st.just("stays"), whole_ends | errors | aborts | crashes),
    st.tuples(st.just("deadline"), hangs),
    st.tuples(st.just("leaves"), hangs),
)


@dataclass(frozen=True)
class Call:
    """One call of a program."""

    is_stream: bool
    padding: int  # bytes that the request carries beside its orders
    answers: tuple[int, ...]
    caller: str
    end: dict[str, Any]
    metadata: tuple[tuple[str, str | bytes], ...]
    is_traced: bool
    reads: int  # messages after which one who leaves does so
    dawdles: int  # turns of the loop between two messages

    def request(self, number: int) -> bytes:
        orders = json.dumps([number, self.answers, self.end]).encode()
        return len(orders).to_bytes(4) + orders + bytes(self.padding)

    def outgoing(self) -> tuple[tuple[str, str | bytes], ...]:
        traced = (("traceparent", TRACEPARENT),) if self.is_traced else ()
        return (*traced, *self.metadata)


@st.composite
def calls(draw: Any) -> Call:
    caller, end = draw(endings)
    is_stream = draw(st.booleans())
    answers = draw(st.lists(sizes, max_size=6)) if is_stream else [draw(sizes)]
    return Call(
        is_stream=is_stream,
        padding=draw(sizes),
        answers=tuple(answers),
        caller=caller,
        end=end,
        metadata=tuple(draw(metadata)),
        is_traced=draw(st.booleans()),
        reads=draw(st.integers(0, len(answers))),
        dawdles=draw(st.sampled_from([0, 0, 1, 40])),
    )


def message(size: int, place: int) -> bytes:
    return bytes([place + 1]) * size


def digest(data: bytes) -> str:
    return f"{len(data)}:{hashlib.sha256(data).hexdigest()[:12]}"


@dataclass
class Seen:
    """What the servicer knows of one call."""

    request: str = ""  # empty until the handler begins
    metadata: dict[str, Any] = field(default_factory=dict)
    outcome: str = "running"
    called_back: int = 0
    had_time: bool = False


@dataclass
class Servicer:
    """Does what its requests order, and remembers what it saw."""

    seen: dict[int, Seen] = field(default_factory=dict)
    began: dict[int, asyncio.Event] = field(default_factory=dict)

    async def unary(self, request: bytes, context: Any) -> bytes:
        number, answers, end = self._note(request, context)
        try:
            await self._end(end, context)
        except BaseException as error:
            self._note_end(number, error)
            raise
        self._note_end(number, None)
        return message(answers[0], 0)

    async def stream(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        number, answers, end = self._note(request, context)
        try:
            for place, size in enumerate(answers):
                yield message(size, place)
            await self._end(end, context)
        except BaseException as error:
            self._note_end(number, error)
            raise
        self._note_end(number, None)

    def _note(self, request: bytes, context: Any) -> Any:
        length = int.from_bytes(request[:4])
        number, answers, end = json.loads(request[4 : 4 + length])
        seen = self.seen[number]
        seen.request = digest(json.dumps([answers, end]).encode() + request[4 + length :])
        seen.metadata = {
            key: value for key, value in context.invocation_metadata() if key.startswith(("x-", "traceparent"))
        }
        seen.had_time = 0 < context.time_remaining() <= PATIENCE + 0.2  # gRPC rounds deadlines up
        context.add_done_callback(lambda _: self._call_back(number))
        self.began[number].set()
        return number, answers, end

    def _call_back(self, number: int) -> None:
        self.seen[number].called_back += 1

    def _note_end(self, number: int, error: BaseException | None) -> None:
        is_left = isinstance(error, asyncio.CancelledError | GeneratorExit)
        self.seen[number].outcome = "left" if is_left else "failed" if error else "completed"

    async def _end(self, end: dict[str, Any], context: Any) -> None:
        match end["kind"]:
            case "hang":
                await asyncio.Event().wait()
            case "crash":
                raise ValueError("nobody expected this")
            case "abort":
                await context.abort(grpc.StatusCode[end["code"]], end["message"])
            case "error":
                facts = {key: value for key, value in end.items() if key not in {"kind", "reason", "message"}}
                raise RunestoneError(Reason(end["reason"]), end["message"], **facts)


@dataclass
class Got:
    """What a caller knows of one call."""

    messages: list[str] = field(default_factory=list)
    error: tuple[Any, ...] | None = None


numbers = itertools.count()  # a call of an earlier program may still end while the next one runs


async def play(servicer: Servicer, link: Any, stage: Any, program: list[Call]) -> list[tuple[Got, Seen]]:
    """All calls of the program at once; what each caller got and what the servicer saw of it."""
    numbered = {next(numbers): call for call in program}
    for number in numbered:
        servicer.seen[number], servicer.began[number] = Seen(), asyncio.Event()
    got = await asyncio.gather(
        *(make_call(call, number, servicer.began[number], link, stage) for number, call in numbered.items())
    )
    await stage.wait_until(lambda: all(is_over(call, servicer.seen[number]) for number, call in numbered.items()))
    return [(one, servicer.seen[number]) for one, number in zip(got, numbered, strict=True)]


def is_over(call: Call, seen: Seen) -> bool:
    return (seen.outcome != "running" and seen.called_back > 0) or (call.caller == "deadline" and not seen.request)


def compare(call: Call, plain: tuple[Got, Seen], session: tuple[Got, Seen]) -> None:
    """What must be equal. How far a call came before its deadline depends on the machine, so there only the end is."""
    expected = [digest(message(size, place)) for place, size in enumerate(call.answers)]
    for got, seen in (plain, session):
        assert got.messages == expected[: len(got.messages)]
        assert seen.called_back <= 1
    if call.caller == "deadline":
        assert plain[0].error == session[0].error == (Reason.DEADLINE_EXCEEDED,)
        assert {plain[1].outcome, session[1].outcome} <= {"left", "running"}
    else:
        assert session == plain


async def make_call(call: Call, number: int, began: asyncio.Event, link: Any, stage: Any) -> Got:
    got = Got()
    work = asyncio.ensure_future((read_stream if call.is_stream else ask)(call, number, began, link, stage, got))
    if call.caller == "leaves" and not call.is_stream:
        await asyncio.wait_for(began.wait(), PATIENCE)
        work.cancel()
    try:
        await work
    except asyncio.CancelledError:
        got.error = ("left",)
    except RunestoneError as error:
        got.error = describe(error, call)
    return got


async def ask(call: Call, number: int, _began: asyncio.Event, link: Any, stage: Any, got: Got) -> None:
    answer = await link.call(stage.UNARY, call.request(number), patience(call), call.outgoing())
    got.messages.append(digest(answer))


async def read_stream(call: Call, number: int, began: asyncio.Event, link: Any, stage: Any, got: Got) -> None:
    arguments = (stage.STREAM, call.request(number), patience(call), call.outgoing())
    async with aclosing(link.stream(*arguments)) as answers:
        if call.caller == "leaves" and not call.reads:
            first = asyncio.ensure_future(anext(answers))
            await asyncio.wait_for(began.wait(), PATIENCE)
            first.cancel()
            await asyncio.wait([first])
            return
        async for answer in answers:
            got.messages.append(digest(answer))
            for _ in range(call.dawdles):
                await asyncio.sleep(0)
            if call.caller == "leaves" and len(got.messages) == call.reads:
                return


def patience(call: Call) -> float:
    return SHORT if call.caller == "deadline" else PATIENCE


def describe(error: RunestoneError, call: Call) -> tuple[Any, ...]:
    """What a caller can tell of an error; of those that gRPC itself words, the reason."""
    if call.caller == "deadline":
        return (error.reason,)
    return (error.reason, error.message, error.retry_after, error.param, error.code, error.upstream_status)


class Carriers:
    """One servicer on one loop, behind plain gRPC and behind a session of each kind."""

    def __init__(self, stage: Any, runner: asyncio.Runner) -> None:
        self.stage, self.runner = stage, runner
        self.servicer = Servicer()
        self.errors: list[dict[str, Any]] = []

    def run(self, work: Any) -> Any:
        return self.runner.run(work)

    async def open(self) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: self.errors.append(context))
        behaviour = {"unary": self.servicer.unary, "stream": self.servicer.stream}
        addresses = {pipe: self.stage.address(pipe) for pipe in ("socket", "grpc")}
        self.servers = [await self.stage.start(address, **behaviour) for address in addresses.values()]
        self.links = {
            "plain": self.stage.PlainLink(addresses["socket"]),
            "socket": self.stage.MuxLink(addresses["socket"], 1 << 26),
            "grpc": self.stage.MuxLink(addresses["grpc"], 1 << 26),
        }
        for link in self.links.values():
            assert await link.is_connected_within(PATIENCE)

    async def close(self) -> None:
        for link in self.links.values():
            await link.close()
        for server in self.servers:
            await server.stop(0)
        await self.stage.settle()

    def sessions(self) -> list[Any]:
        return [session for server in self.servers for session in server._mux._sessions]


@pytest.fixture(params=["asyncio", "uvloop"])
def carriers(request, stage):
    factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop
    with capture_logs(), asyncio.Runner(loop_factory=factory) as runner:  # tracebacks take longer than calls
        carriers = Carriers(stage, runner)
        runner.run(carriers.open())
        yield carriers
        runner.run(carriers.close())
    assert carriers.errors == []


programs = st.lists(calls(), min_size=1, max_size=8)


@settings(
    max_examples=60,
    deadline=None,
    phases=[
        Phase.explicit,
        Phase.reuse,
        Phase.generate,
    ],  # shrinking real sockets takes longer than reading the program
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(program=programs)
def test_a_session_gives_what_plain_grpc_gives(carriers, program):
    plain = carriers.run(play(carriers.servicer, carriers.links["plain"], carriers.stage, program))
    for pipe in ("socket", "grpc"):
        link = carriers.links[pipe]
        played = carriers.run(play(carriers.servicer, link, carriers.stage, program))
        for call, by_plain, by_session in zip(program, plain, played, strict=True):
            compare(call, by_plain, by_session)
        carriers.run(carriers.stage.wait_until(lambda: not any(session._calls for session in carriers.sessions())))
        assert link.running == 0
    assert carriers.errors == []
