"""Turns on a Responses socket, without a socket: what is read, in which order they run, and how a connection retires."""

import asyncio
import json
from typing import Any

import pytest

from chassis.config import parse_settings
from chassis.errors import Reason, RunestoneError
from gateway_edge.call import Outcome
from gateway_edge.callers.session import Session
from gateway_edge.callers.tenants import ANONYMOUS
from gateway_edge.endpoints.voices import RESPONSES
from gateway_edge.messages.calls import MakeReply
from gateway_edge.messages.message import Message
from gateway_edge.responses_socket.application import ResponsesSocket
from gateway_edge.responses_socket.envelope import Turn, read_message, write_error, write_event
from gateway_edge.responses_socket.lanes import MOST_WAITING
from gateway_edge.responses_socket.reply import SocketReply

EVENT = b'event: response.created\ndata: {"type":"response.created","sequence_number":0}\n\n'
HEADERS = {
    "authorization": "Bearer k",
    "x-runestone-tags": "a",
    "user-agent": "sdk",
    "cookie": "c",
    "idempotency-key": "i",
}


class FakeSocket:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.session = Session(ANONYMOUS, HEADERS, "", "v1")
        self.path, self.parameters, self.headers = "/v1/responses", {}, HEADERS
        self.sent: list[dict[str, Any]] = []
        self.end: tuple[int, str] | None = None
        self.buffered = 0

    @property
    def is_open(self) -> bool:
        return self.end is None

    def send(self, text: bytes) -> None:
        self.sent.append(json.loads(text))

    def send_binary(self, data: bytes) -> None:
        raise AssertionError("Responses are text")

    def send_frame(self, frame: bytes) -> None:
        raise AssertionError("and of one client only")

    async def drain(self) -> None:
        if not self.is_open:
            raise ConnectionResetError

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def close(self, code: int, reason: str = "") -> None:
        self.end = self.end or (code, reason)


class FakeCalls:
    """Answers a turn when `go_on` is set."""

    def __init__(self) -> None:
        self.asked: list[Message] = []
        self.go_on = asyncio.Event()
        self.cancelled = 0

    async def run(self, message: Message, make_reply: MakeReply) -> Outcome:
        self.asked.append(message)
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        reply = make_reply("req_1", RESPONSES)
        await reply.write(b": a comment\n\n" + EVENT)
        await reply.close()
        return Outcome()


@pytest.fixture
def socket() -> FakeSocket:
    return FakeSocket()


@pytest.fixture
def calls() -> FakeCalls:
    return FakeCalls()


def open_on(
    socket: FakeSocket, calls: FakeCalls, longest: float = 3600.0, *, most_bytes: int = 1 << 20
) -> ResponsesSocket:
    edge = parse_settings(f"edge: {{websocket: {{max_streams: 2}}, http: {{max_body: {most_bytes}}}}}").edge
    return ResponsesSocket(socket, calls, edge, longest)


def create(lane: str | None = None, **members: Any) -> str:
    return json.dumps({"type": "response.create", **members} | ({"stream_id": lane} if lane else {}))


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_a_turn_is_the_clients_own_bytes_without_the_envelope() -> None:
    """Numbers and order stay as they were written; it is always a stream."""
    message = b'{"type":"response.create", "model":"m","n":1.0e2,"big":12345678901234567890, "stream":false,"stream_id":"a","generate":true}'
    turn = read_message(message, 100)
    assert turn == Turn(b'{"model":"m","n":1.0e2,"big":12345678901234567890,"stream":true}', "a")


@pytest.mark.parametrize(
    ("frame", "lane", "message"),
    [
        (EVENT, None, b'{"type":"response.created","sequence_number":0}'),
        (EVENT, "a", b'{"stream_id":"a","type":"response.created","sequence_number":0}'),
        (b"data: {}\n\n", "a", b'{"stream_id":"a"}'),
        (b"data: { }\n\n", "a", b'{"stream_id":"a"}'),
        (b": ping\n\n", "a", b""),
        (b"data: [DONE]\n\n", None, b""),
    ],
)
def test_an_event_is_a_message_with_its_lane(frame: bytes, lane: str | None, message: bytes) -> None:
    assert write_event(frame, lane) == message


def test_an_error_says_status_lane_number_and_when_to_try_again() -> None:
    error = RunestoneError(Reason.RATE_LIMITED, "slow down", retry_after=1.5)
    told = json.loads(write_error(error, "a", number=7))
    assert (told["type"], told["status"], told["stream_id"], told["sequence_number"]) == ("error", 429, "a", 7)
    assert told["error"]["headers"] == {"x-should-retry": "true", "retry-after-ms": "1500", "retry-after": "2"}


async def test_a_turn_carries_what_the_handshake_said_but_for_credentials(socket: FakeSocket, calls: FakeCalls) -> None:
    open_on(socket, calls).received(create(model="m"))
    await settle()
    assert calls.asked[0].headers == {"x-runestone-tags": "a", "user-agent": "sdk"}
    assert (calls.asked[0].front, calls.asked[0].path) == ("ws", "/v1/responses")


async def test_a_lane_runs_one_turn_at_a_time_and_has_a_bound(socket: FakeSocket, calls: FakeCalls) -> None:
    application = open_on(socket, calls)
    for _ in range(MOST_WAITING + 2):
        application.received(create("a"))
        await settle()
    application.received(create("b"))
    application.received(create("c"))
    await settle()
    assert len(calls.asked) == 2
    assert [(told["status"], told["stream_id"]) for told in socket.sent] == [(429, "a"), (429, "c")]
    socket.sent.clear()
    calls.go_on.set()
    await settle()
    while len(socket.sent) < MOST_WAITING + 2:
        await settle()
    assert [told["stream_id"] for told in socket.sent].count("a") == MOST_WAITING + 1
    application.received(create("c"))
    await settle()
    assert socket.sent[-1]["stream_id"] == "c"


async def test_what_waits_in_all_lanes_is_bounded_in_bytes_too(socket: FakeSocket, calls: FakeCalls) -> None:
    application = open_on(socket, calls, most_bytes=1000)
    for lane, size in (("a", 10), ("b", 10), ("a", 2000), ("b", 10), ("a", 10)):
        application.received(create(lane, input="x" * size))
        await settle()
    assert [(told["status"], told["stream_id"]) for told in socket.sent] == [(429, "b"), (429, "a")]
    socket.sent.clear()
    calls.go_on.set()
    while len(socket.sent) < 3:
        await settle()
    application.received(create("b", input="x" * 10))
    application.received(create("b", input="x" * 10))
    while len(socket.sent) < 5:
        await settle()
    assert {told["type"] for told in socket.sent} == {"response.created"}


async def test_an_hour_is_the_longest_and_what_runs_then_may_end(socket: FakeSocket, calls: FakeCalls) -> None:
    application = open_on(socket, calls, longest=0.0)
    application.received(create("a"))
    while not application.is_retiring:
        await asyncio.sleep(0)
    assert [told["error"]["code"] for told in socket.sent] == ["websocket_connection_limit_reached"]
    application.received(create("b"))
    assert socket.sent[-1]["error"]["code"] == "websocket_connection_limit_reached"
    assert socket.end is None
    calls.go_on.set()
    await settle()
    assert socket.sent[-1]["type"] == "response.created"
    assert socket.end is not None
    assert socket.end[0] == 1001


async def test_draining_waits_for_what_runs_and_takes_nothing_new(socket: FakeSocket, calls: FakeCalls) -> None:
    application = open_on(socket, calls)
    application.received(create("a"))
    await settle()
    assert application.drain()
    application.received(create("b"))
    assert (socket.sent[-1]["status"], socket.sent[-1]["stream_id"]) == (503, "b")
    assert socket.end is None
    calls.go_on.set()
    await settle()
    assert socket.end is not None
    assert socket.end[0] == 1012


async def test_draining_closes_an_idle_one_at_once(socket: FakeSocket, calls: FakeCalls) -> None:
    assert open_on(socket, calls).drain()
    assert socket.end is not None
    assert socket.end[0] == 1012


async def test_the_end_cancels_what_runs_and_forgets_what_waits(socket: FakeSocket, calls: FakeCalls) -> None:
    application = open_on(socket, calls)
    for lane in ("a", "a", "b"):
        application.received(create(lane))
    await settle()
    application.closed(1006, "")
    await settle()
    assert (len(calls.asked), calls.cancelled) == (2, 2)


async def test_what_no_event_can_hold_is_a_fault_of_the_pipeline(socket: FakeSocket) -> None:
    reply = SocketReply(socket, "a")
    with pytest.raises(RuntimeError, match="audio/mpeg"):
        await reply.begin("audio/mpeg")
    await reply.send(b'{"id":"resp_1"}')
    assert socket.sent == [
        {"stream_id": "a", "type": "response.completed", "sequence_number": 0, "response": {"id": "resp_1"}}
    ]
    await reply.fail(RunestoneError(Reason.INTERNAL, "too late"))
    assert len(socket.sent) == 1
