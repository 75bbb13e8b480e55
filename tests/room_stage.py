"""Rooms without a mesh: a room service in this process, as its contract has it, and connections that remember what they are told."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from chassis.errors import Reason, RunestoneError
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
