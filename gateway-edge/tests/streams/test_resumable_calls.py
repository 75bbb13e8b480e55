"""A call goes on without its client once that can come back, and ends with it before."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from chassis.breaker import Breaker
from chassis.errors import Reason, RunestoneError
from chassis.metrics import Metrics
from chassis.testing import FakeClock
from gateway_edge.call import Call
from gateway_edge.door.intake import STREAM_HEADER
from gateway_edge.endpoints.voices import OPENAI
from gateway_edge.stored.notes import Notes
from gateway_edge.streams.control import Streams
from gateway_edge.streams.gates import Gates
from gateway_edge.streams.note import read_note
from gateway_edge.streams.notes import UNAVAILABLE, StreamNotes
from gateway_edge.streams.replicas import FlightReplicas
from gateway_edge.streams.running import ResumableCalls
from gateway_edge.streams.tasks import Tasks
from runestone.provider.v1.provider_pb2 import ControlRequest, ControlResponse

DETACH, CANCEL, PAUSE, RESUME = (
    ControlRequest.ACTION_DETACH,
    ControlRequest.ACTION_CANCEL,
    ControlRequest.ACTION_PAUSE,
    ControlRequest.ACTION_RESUME,
)


class Client:
    """The reply to one; `gate` holds it back while it is cleared, and a client that `is_gone` is found out when it is written to."""

    first_byte_at = None
    voice = OPENAI

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.body = b""
        self.is_closed = False
        self.gate = asyncio.Event()
        self.gate.set()
        self.is_gone = self.is_waiting = False
        self.failure: RunestoneError | None = None

    @property
    def is_whole(self) -> bool:
        return self.is_closed

    @property
    def has_begun(self) -> bool:
        return bool(self.body)

    @property
    def bytes_sent(self) -> int:
        return len(self.body)

    async def send(self, body: bytes, content_type: str = "application/json", status: int = 200) -> None:
        self.body, self.is_closed = body, True

    async def begin(self, content_type: str) -> None:
        pass

    def expect_events(self) -> None:
        pass

    async def close(self) -> None:
        self.is_closed = True

    async def write(self, events: bytes) -> None:
        if self.is_gone:
            raise ConnectionResetError("gone")
        self.is_waiting = True
        await self.gate.wait()
        self.is_waiting = False
        self.body += events

    async def fail(self, error: RunestoneError) -> None:
        self.failure = error

    def stop_pinging(self) -> None:
        pass


class Directly:
    """`RunningCalls` without what it counts."""

    async def run(self, call: Call, reply: Any, path: str, kind: Any, answering: Awaitable[None]) -> None:
        await answering


class Steered:
    """provider-svc, as far as it is steered. While it `is_down` it does not answer."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, int]] = []
        self.is_down = self.is_unknown = False

    async def Control(self, request: ControlRequest, *, timeout: float, metadata: Any = ()) -> ControlResponse:
        if self.is_down:
            raise RunestoneError(Reason.UNAVAILABLE, "down")
        if self.is_unknown:
            raise RunestoneError(Reason.NOT_FOUND, "unknown")
        self.heard.append((request.call_id, request.action))
        return ControlResponse(last_seq=3, paused=request.action == PAUSE)


class Stage:
    """A resumable call whose provider says an event whenever it is told to."""

    def __init__(self, call: Call, notes: Any, clock: FakeClock) -> None:
        self.call = call
        self.client = call.reply = Client()
        self.flights = Steered()
        self.tasks = Tasks()
        counter = Metrics().counter("stream_notes", "x", ("outcome",))
        kept = Notes(notes, Breaker(clock=clock), clock, counter, UNAVAILABLE)
        self.streams = Streams(
            StreamNotes(kept, self.tasks.start), FlightReplicas(self.flights, list), Gates(), lambda _which, _why: None
        )
        self.calls = ResumableCalls(Directly(), self.streams, self.tasks.start, Metrics())
        self.events: asyncio.Queue[bytes] = asyncio.Queue()
        self.sent: list[bytes] = []
        self.is_over = self.is_cancelled = False

    def begin(self) -> "asyncio.Task[None]":
        running = self.calls.run(self.call, self.client, "/", "server", self.answer())
        return asyncio.create_task(running)

    async def answer(self) -> None:
        self.call.reply.expect_events()
        try:
            while event := await self.events.get():
                await self.call.reply.write(event)
                self.sent.append(event)
            await self.call.reply.close()
            self.is_over = True
        except asyncio.CancelledError:
            self.is_cancelled = True
            raise

    async def say(self, *events: bytes) -> None:
        for event in events:
            self.events.put_nowait(event)
        await until(self.events.empty)


async def until(holds: Callable[[], Any]) -> None:
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0)


def event(text: str) -> bytes:
    return f"data: {text}\n\n".encode()


@pytest.fixture
async def stage(make_call: Callable[..., Call], notes: Any, clock: FakeClock) -> AsyncIterator[Stage]:
    body = b'{"model": "simulated", "messages": [], "stream": true}'
    staged = Stage(make_call(body, headers={"x-runestone-resumable": "1"}), notes, clock)
    yield staged
    await staged.tasks.stop(5)


async def test_events_are_numbered_and_the_stream_is_found_before_the_first_is_sent(stage: Stage, notes: Any) -> None:
    notes.gate.clear()
    running = stage.begin()
    await stage.say(event("a"))
    await until(lambda: notes.asked)
    assert stage.client.body == b""
    notes.gate.set()
    await stage.say(event("b") + event("c"), b"")
    await running
    assert stage.client.body == b"id: 1\ndata: a\n\nid: 2\ndata: b\n\nid: 3\ndata: c\n\n"
    assert stage.client.headers[STREAM_HEADER] == "req_1" and stage.client.is_closed
    note = read_note(notes.notes["acme", "stream:req_1"])
    assert note is not None and (note.path, note.model) == ("/v1/chat/completions", "simulated")


async def test_a_client_that_leaves_leaves_the_call_running(stage: Stage) -> None:
    running = stage.begin()
    await stage.say(event("a"))
    await until(lambda: stage.client.body)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await stage.say(event("b"), b"")
    await until(lambda: stage.is_over)
    assert stage.client.body == b"id: 1\ndata: a\n\n" and not stage.client.is_closed
    assert stage.call.reply.bytes_sent == len(stage.client.body)
    await until(lambda: stage.flights.heard)
    assert stage.flights.heard == [("req_1", DETACH)]


async def test_a_client_that_leaves_while_it_is_written_to_leaves_it_too(stage: Stage) -> None:
    running = stage.begin()
    await stage.say(event("a"))
    await until(lambda: stage.client.body)
    stage.client.gate.clear()
    await stage.say(event("b"))
    await until(lambda: stage.client.is_waiting)
    running.cancel()
    await stage.say(event("c"), b"")
    await until(lambda: stage.is_over)
    assert stage.sent == [event("a"), event("b"), event("c")]


async def test_a_client_that_leaves_while_it_is_told_the_end_leaves_a_whole_answer(stage: Stage) -> None:
    running = stage.begin()
    await stage.say(event("a"))
    await until(lambda: stage.client.body)
    await stage.streams.control("acme", "req_1", PAUSE, pause_window=60)
    await stage.say(b"")
    running.cancel()
    await until(lambda: stage.is_over)
    assert stage.call.reply.is_whole and not stage.client.is_closed


async def test_a_client_that_turns_out_to_be_gone_is_as_one_that_left(stage: Stage) -> None:
    running = stage.begin()
    await stage.say(event("a"))
    await until(lambda: stage.client.body)
    stage.client.is_gone = True
    await stage.say(event("b"))
    with pytest.raises(ConnectionError):
        await running
    await stage.say(b"")
    await until(lambda: stage.is_over and stage.flights.heard)


async def test_a_client_that_leaves_in_the_moment_that_its_call_fails_leaves_nothing_behind(stage: Stage) -> None:
    """As a channel does that is closed when it is told so."""
    metrics = Metrics()
    stage.calls = ResumableCalls(Directly(), stage.streams, stage.tasks.start, metrics)

    async def answer() -> None:
        await stage.call.reply.write(event("a"))
        running.cancel()
        await stage.call.reply.fail(RunestoneError(Reason.PROVIDER_STREAM_CUT, "cut"))

    running = asyncio.create_task(stage.calls.run(stage.call, stage.client, "/", "server", answer()))
    with pytest.raises(asyncio.CancelledError):
        await running
    assert stage.client.failure is not None
    assert b"runestone_streams_detached 0" in metrics.exposition()


async def test_a_client_that_does_not_know_the_id_ends_the_call(stage: Stage) -> None:
    running = stage.begin()
    await until(lambda: stage.call.is_resumable and STREAM_HEADER in stage.client.headers)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert stage.is_cancelled and stage.flights.heard == []


async def test_what_cannot_be_found_is_an_ordinary_stream(stage: Stage, notes: Any) -> None:
    notes.is_down = True
    running = stage.begin()
    await stage.say(event("a"))
    await until(lambda: stage.client.body)
    assert stage.client.body == event("a") and STREAM_HEADER not in stage.client.headers
    running.cancel()
    await until(lambda: stage.is_cancelled)


async def test_the_process_ends_what_has_no_client(stage: Stage) -> None:
    running = stage.begin()
    await stage.say(event("a"))
    await until(lambda: stage.client.body)
    running.cancel()
    await until(lambda: stage.flights.heard)
    await stage.tasks.stop(5)
    assert stage.is_cancelled


async def test_a_call_without_a_client_can_be_ended_while_it_is_paused(stage: Stage) -> None:
    """Its deadline passes, say: only a client's leaving is kept from the call."""
    running = stage.begin()
    await stage.say(event("a"))
    await until(lambda: stage.client.body)
    running.cancel()
    await until(lambda: stage.flights.heard)
    await stage.streams.control("acme", "req_1", PAUSE, pause_window=60)
    await stage.say(event("b"))
    await stage.tasks.stop(5)
    assert stage.is_cancelled and stage.sent == [event("a")]


async def test_a_pause_holds_back_what_is_on_its_way(stage: Stage) -> None:
    running = stage.begin()
    await stage.say(event("a"))
    await until(lambda: stage.client.body)
    stands = await stage.streams.control("acme", "req_1", PAUSE, pause_window=60)
    assert (stands.paused, stands.last_seq) == (True, 3)
    await stage.say(event("b"))
    for _ in range(20):
        await asyncio.sleep(0)
    assert stage.client.body == b"id: 1\ndata: a\n\n"
    await stage.streams.control("acme", "req_1", RESUME, pause_window=60)
    await stage.say(b"")
    await running
    assert stage.client.body.endswith(b"id: 2\ndata: b\n\n")


async def test_who_goes_on_at_another_edge_is_not_held_back_here(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody tells this one: provider-svc just sends again."""
    monkeypatch.setattr("gateway_edge.streams.control.HOLD", 0.01)
    running = stage.begin()
    await stage.say(event("a"))
    await until(lambda: stage.client.body)
    await stage.streams.control("acme", "req_1", PAUSE, pause_window=60)
    await stage.say(event("b"), b"")
    await running
    assert stage.client.is_closed


async def test_what_is_not_paused_there_is_not_held_back_here(stage: Stage) -> None:
    running = stage.begin()
    await stage.say(event("a"))
    await until(lambda: stage.client.body)
    stage.flights.is_down = True
    with pytest.raises(RunestoneError):
        await stage.streams.control("acme", "req_1", PAUSE, pause_window=60)
    await stage.say(b"")
    await running


@pytest.mark.parametrize(("tenant", "stream_id"), [("other", "req_1"), ("acme", "req_2"), ("acme", "../x")])
async def test_another_tenants_stream_is_none(stage: Stage, tenant: str, stream_id: str) -> None:
    running = stage.begin()
    await stage.say(event("a"), b"")
    await running
    with pytest.raises(RunestoneError) as refused:
        await stage.streams.control(tenant, stream_id, CANCEL, pause_window=60)
    assert refused.value.reason is Reason.NOT_FOUND
    assert refused.value.message == f"there is no stream '{stream_id}', or it is over and forgotten"


async def test_a_stream_of_a_model_that_one_may_not_use_is_none(stage: Stage) -> None:
    running = stage.begin()
    await stage.say(event("a"))
    await until(lambda: stage.client.body)
    with pytest.raises(RunestoneError, match="there is no stream 'req_1'"):
        await stage.streams.control(
            "acme", "req_1", CANCEL, pause_window=60, may_use=lambda model: model != "simulated"
        )
    await stage.say(b"")
    await running
    assert stage.flights.heard == []


async def test_who_is_not_heard_is_told_again(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway_edge.streams.control.PAUSE", 0.001)
    running = stage.begin()
    await stage.say(event("a"))
    await until(lambda: stage.client.body)
    stage.flights.is_down = True
    running.cancel()
    await asyncio.wait([running])
    stage.flights.is_down = False
    await until(lambda: stage.flights.heard)
    assert stage.flights.heard == [("req_1", DETACH)]
