"""Rooms without a mesh: a room service in this process, as its contract has it, and connections that remember what they are told."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
from phoenix_presence import refs_of, sync_diff, sync_state

from chassis.errors import Reason, RunestoneError
from gateway_edge.call import Outcome
from gateway_edge.callers.session import Session
from gateway_edge.endpoints.voices import OPENAI
from gateway_edge.messages.message import Message
from runestone.provider.v1.provider_pb2 import ControlRequest
from runestone.room.v1 import room_pb2 as pb


@dataclass
class Kept:
    """A room as the fake keeps it."""

    members: dict[str, pb.Member] = field(default_factory=dict)
    messages: list[pb.Message] = field(default_factory=list)
    position: int = 0
    watchers: dict[asyncio.Queue[Any], str] = field(default_factory=dict)

    def change(self, **change: Any) -> int:
        self.position += 1
        for queue in self.watchers:
            queue.put_nowait(pb.WatchResponse(changes=[pb.Change(position=self.position, **change)]))
        return self.position


class FakeRoomService:
    """RoomService in memory. While it `is_down` nothing is answered; `gate` holds answers back while it is cleared. `asked` has the
    names of the rpcs that came."""

    def __init__(self) -> None:
        self.rooms: dict[tuple[str, str], Kept] = {}
        self.is_down = False
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked: list[str] = []

    def room(self, name: str = "lobby", tenant: str = "acme") -> Kept:
        return self.rooms.setdefault((tenant, name), Kept())

    def members(self, name: str = "lobby", tenant: str = "acme") -> set[str]:
        return {member.key for member in self.room(name, tenant).members.values()}

    async def Enter(self, request: pb.EnterRequest, *, timeout: float, metadata: Any) -> pb.EnterResponse:
        room = await self._hear("Enter", request.room)
        if room.members.get(request.member.ref) == request.member:
            return pb.EnterResponse(position=room.position)
        room.members[request.member.ref] = request.member
        return pb.EnterResponse(position=room.change(entered=request.member))

    async def Leave(self, request: pb.LeaveRequest, *, timeout: float, metadata: Any) -> pb.LeaveResponse:
        room = await self._hear("Leave", request.room)
        if room.members.pop(request.ref, None) is not None:
            room.change(left=request.ref)
        return pb.LeaveResponse()

    async def Publish(self, request: pb.PublishRequest, *, timeout: float, metadata: Any) -> pb.PublishResponse:
        room = await self._hear("Publish", request.room)
        message = pb.Message(
            event=request.message.event,
            payload=request.message.payload,
            sender=request.message.sender,
            position=room.position + 1,
        )
        if request.is_kept:
            room.messages.append(message)
        return pb.PublishResponse(position=room.change(message=message))

    async def Watch(self, request: pb.WatchRequest, *, metadata: Any) -> AsyncIterator[pb.WatchResponse]:
        room = await self._hear("Watch", request.room)
        queue: asyncio.Queue[Any] = asyncio.Queue()
        room.watchers[queue] = request.edge
        after = request.after_position
        last = room.messages[-request.history :] if request.history else []
        messages = [message for message in room.messages if message.position > after] if after else last
        try:
            state = pb.State(members=room.members.values(), messages=messages, position=room.position)
            yield pb.WatchResponse(state=state)
            while True:
                item = await queue.get()
                if isinstance(item, Exception):
                    raise item
                if item is None:
                    return
                yield item
        finally:
            room.watchers.pop(queue, None)

    def break_watches(self, error: Exception | None = None) -> None:
        """All watches break, or come to their end."""
        for room in self.rooms.values():
            for queue in list(room.watchers):
                queue.put_nowait(error)
            room.watchers.clear()

    def restart(self) -> None:
        """It comes back with nothing in its memory."""
        self.break_watches(away())
        self.rooms.clear()

    async def _hear(self, rpc: str, room: pb.Room) -> Kept:
        self.asked.append(rpc)
        await self.gate.wait()
        if self.is_down:
            raise away()
        return self.room(room.name, room.tenant)


def away() -> RunestoneError:
    return RunestoneError(Reason.UNAVAILABLE, "down")


@dataclass
class FakeListener:
    """A connection that remembers what was sent, and reads all of it while it `reads`."""

    frames: list[bytes] = field(default_factory=list)
    is_open: bool = True
    buffered: int = 0
    reads: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.reads.set()

    def send_frame(self, frame: bytes) -> None:
        self.frames.append(frame)
        if not self.reads.is_set():
            self.buffered += len(frame)

    async def drain(self) -> None:
        await self.reads.wait()
        self.buffered = 0
        if not self.is_open:
            raise ConnectionResetError("gone")

    @property
    def told(self) -> list[tuple[str, Any]]:
        """Event and payload of each message."""
        return [(event, payload) for _, _, _, event, payload in map(orjson.loads, self.lines)]

    @property
    def lines(self) -> list[bytes]:
        return [line for frame in self.frames for line in frame.splitlines()]

    def events(self, name: str) -> list[Any]:
        return [payload for event, payload in self.told if event == name]


async def until(holds: Callable[[], Any], patience: float = 5.0) -> Any:
    """Waits until something holds, and returns it."""
    async with asyncio.timeout(patience):
        while not (found := holds()):
            await asyncio.sleep(0.005)
    return found


class Told:
    """An `Answer` that remembers what it was."""

    def __init__(self) -> None:
        self.said: asyncio.Future[tuple[str, Any]] = asyncio.get_running_loop().create_future()

    def ok(self, response: bytes = b"{}") -> None:
        self._take("ok", orjson.loads(response))

    def ok_binary(self, response: bytes) -> None:
        self._take("ok", response)

    def error(self, error: RunestoneError) -> None:
        self._take("error", error)

    def _take(self, status: str, what: Any) -> None:
        if not self.said.done():
            self.said.set_result((status, what))

    async def get(self) -> tuple[str, Any]:
        async with asyncio.timeout(5):
            return await asyncio.shield(self.said)


@dataclass
class FakeStream:
    """A stream that grows as a test wants it to. `reads` counts who read it."""

    events: list[bytes] = field(default_factory=list)
    end: Exception | bool = False
    is_known: bool = True
    reads: int = 0

    def grow(self, *texts: str) -> None:
        self.events += [b"data: %b\n\n" % orjson.dumps(text) for text in texts]

    def finish(self, error: Exception | None = None) -> None:
        self.end = error or True


class FakeCalls:
    """Calls out of messages, over streams that all edges share, as if they were provider-svc's. A call whose body is `refused` fails before
    anything was asked. Also who controls them."""

    def __init__(self) -> None:
        self.streams: dict[str, FakeStream] = {}
        self.messages: list[Message] = []
        self.controls: list[tuple[str, str, Any]] = []
        self.control_error: RunestoneError | None = None
        self.ended: list[str] = []
        self.passed: list[str] = []

    @property
    def asked(self) -> int:
        """How often a model was asked."""
        return sum(message.method == "POST" for message in self.messages)

    async def run(self, message: Message, make_reply: Callable[..., Any]) -> Outcome:
        self.messages.append(message)
        if message.method == "GET":
            return await self._follow(message, make_reply)
        stream_id = f"req_{len(self.streams) + 1}"
        reply = make_reply(stream_id, OPENAI)
        if b"refused" in message.body:
            return await self._fail(reply, RunestoneError(Reason.INVALID_REQUEST, "refused"))
        if b"whole" in message.body:
            await reply.send(b'{"whole": true}')
            return Outcome(is_complete=True)
        stream = self.streams[stream_id] = FakeStream()
        reply.expect_events()
        return await self._send(reply, stream, 0)

    async def control(self, tenant: str, stream_id: str, action: Any, *, pause_window: float) -> object:
        self.controls.append((tenant, stream_id, action))
        if self.control_error is not None:
            raise self.control_error
        if action == ControlRequest.ACTION_CANCEL and stream_id in self.streams:
            self.streams[stream_id].finish(RunestoneError(Reason.CANCELLED, "cancelled"))
        return None

    def end(self, call_id: str, error: RunestoneError) -> None:
        self.ended.append(call_id)
        self.streams[call_id].finish(error)

    async def _follow(self, message: Message, make_reply: Callable[..., Any]) -> Outcome:
        reply = make_reply("req_follow", OPENAI)
        stream = self.streams.get(message.path.rpartition("/")[2])
        if stream is None or not stream.is_known:
            return await self._fail(reply, RunestoneError(Reason.NOT_FOUND, "no such stream"))
        stream.reads += 1
        return await self._send(reply, stream, int(message.query.partition("=")[2]))

    async def _send(self, reply: Any, stream: FakeStream, sent: int) -> Outcome:
        while True:
            if sent < len(stream.events):
                news, sent = stream.events[sent:], len(stream.events)
                await reply.write(b"".join(news))
            elif isinstance(stream.end, RunestoneError):
                return await self._fail(reply, stream.end)
            elif stream.end:
                await reply.close()
                return Outcome(is_complete=True, finish_reason="stop")
            else:
                await self._wait(stream, sent)

    @staticmethod
    async def _wait(stream: FakeStream, sent: int) -> None:
        while sent == len(stream.events) and not stream.end:
            await asyncio.sleep(0.002)

    @staticmethod
    async def _fail(reply: Any, error: RunestoneError) -> Outcome:
        await reply.fail(error)
        return Outcome(error=error)


class RoomSocket(FakeListener):
    """A `Socket` of a tenant's key, whose messages a test reads."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.path, self.parameters, self.headers = "/socket/websocket", {"vsn": "2.0.0"}, {}
        self.closed_with: tuple[int, str] | None = None

    def send(self, text: bytes) -> None:
        self.send_frame(text + b"\n")

    def close(self, code: int, reason: str = "") -> None:
        self.is_open, self.closed_with = False, (code, reason)


class RoomClient:
    """A client that has joined, or wants to join, one room by a connection of its own to an edge that `opens` connections."""

    def __init__(self, opens: Callable[[Any], Any], session: Session, topic: str = "room:lobby") -> None:
        self.listener = RoomSocket(session)
        self.topic = topic
        self.connection = opens(self.listener)
        self._refs = itertools.count(1)

    async def join(self, payload: Any = None) -> tuple[str, Any]:
        """Status and response of the reply."""
        ref = str(next(self._refs))
        self.join_ref = ref
        return await self._ask(ref, "phx_join", {} if payload is None else payload)

    async def push(self, event: str, payload: Any = None) -> tuple[str, Any]:
        """Status and response of the reply."""
        return await self._ask(str(next(self._refs)), event, {} if payload is None else payload)

    async def leave(self) -> tuple[str, Any]:
        return await self.push("phx_leave")

    def vanish(self) -> None:
        """Its connection is lost."""
        self.listener.is_open = False
        self.connection.closed(1006, "")

    def events(self, name: str) -> list[Any]:
        return self.listener.events(name)

    def chunks(self, stream_id: str) -> list[Any]:
        """The stream as it was read, whose numbers must have no gap."""
        found = [payload for payload in self.events("stream:chunk") if payload["stream_id"] == stream_id]
        return [payload["chunk"] for payload in found]

    def seqs(self, stream_id: str) -> list[int]:
        return [payload["seq"] for payload in self.events("stream:chunk") if payload["stream_id"] == stream_id]

    @property
    def presence(self) -> dict[str, set[str]]:
        """What a client of Phoenix would have."""
        state: Any = {}
        for event, payload in self.listener.told:
            if event == "presence_state":
                state = sync_state(state, payload)
            elif event == "presence_diff":
                state = sync_diff(state, payload)
        return refs_of(state)

    async def _ask(self, ref: str, event: str, payload: Any) -> tuple[str, Any]:
        self.connection.received(orjson.dumps([self.join_ref, ref, self.topic, event, payload]).decode())
        reply = await until(lambda: self._find_reply(ref))
        return reply["status"], reply["response"]

    def _find_reply(self, ref: str) -> Any:
        for _, got, _, event, payload in map(orjson.loads, self.listener.lines):
            if event == "phx_reply" and got == ref:
                return payload
        return None
