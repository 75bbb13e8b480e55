"""What a member does in a room: says something, changes what is told of it, asks models, pauses what runs."""

from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import NamedTuple

import orjson
from msgspec import Raw, Struct

from chassis.clock import Clock
from chassis.errors import Reason, RunestoneError
from gateway_edge.callers.tenants import Principal
from gateway_edge.channels.asking import make_message, read_ask
from gateway_edge.channels.channel import Answer, Channel, Payload
from gateway_edge.channels.control import Order
from gateway_edge.channels.streams import Asking, Streams
from gateway_edge.policy import Policy
from gateway_edge.rooms.crowd import Member
from gateway_edge.rooms.hosted import Hosted
from gateway_edge.rooms.rooms import Rooms
from gateway_edge.rooms.said import MESSAGE
from gateway_edge.rooms.telling import ToldAnswer, read_model, read_note, write_position

MOST_WAITING = 32  # messages of one member that wait for the one before
MOST_WAITING_BYTES = 1 << 20  # of them; one of any size may wait
LONGEST_MESSAGE = 128 << 10  # bytes; with what stands around it, it fits what the room takes


class Speaking(Struct, frozen=True, kw_only=True):
    """What handlers of all rooms share. `policy` gives the snapshot in force, `asking` is what asking models takes."""

    policy: Callable[[], Policy]
    clock: Clock
    asking: Asking


class Place(Struct, frozen=True):
    """Who is in which room, by which channel; calls without one of their own are part of the trace `traceparent`."""

    channel: Channel
    hosted: Hosted
    member: Member
    traceparent: str = ""


class MetaPayload(Struct, frozen=True):
    """What `presence:update` brings."""

    meta: object = {}


Do = Callable[["RoomHandler", Payload, Answer], Awaitable[None]]


class Task(NamedTuple):
    """A message to be done."""

    do: Do
    payload: Payload
    answer: Answer


class RoomHandler:
    """One member's. What it says is done one after another, so that the others hear it in that order; what it asks models goes on beside
    that."""

    def __init__(self, place: Place, rooms: Rooms, speaking: Speaking) -> None:
        self._channel, self._hosted, self._member = place.channel, place.hosted, place.member
        self._room = place.hosted.room
        self._traceparent = place.traceparent
        self._rooms = rooms
        self._speaking = speaking
        self._asking = Streams(place.channel, speaking.asking, place.traceparent)
        self._waiting: deque[Task] = deque()
        self._is_working = False

    def received(self, event: str, payload: Payload, answer: Answer) -> None:
        """Does what a message asks, or says why not."""
        try:
            self._enqueue(Task(self._find_action(event), payload, answer))
        except RunestoneError as error:
            answer.error(error)

    def left(self) -> None:
        """The client left on purpose. What it asked goes on for the others."""
        self.closed()

    def closed(self) -> None:
        """The client is gone, and so is its presence."""
        self._waiting.clear()
        self._rooms.leave(self._hosted, self._member)

    def _find_action(self, event: str) -> Do:
        """What an event asks for. Raises INVALID_REQUEST for one that nobody knows, PERMISSION_DENIED for what its key may not do."""
        found = ACTIONS.get(event)
        if found is None:
            raise RunestoneError(Reason.INVALID_REQUEST, f"rooms know no event `{event[:64]}`", code="unknown_event")
        action, do = found
        self._find_principal().scope.check_room_action(action)
        return do

    def _find_principal(self) -> Principal:
        """Who it is now. Raises as at the join, when its key may no longer be here."""
        principal = self._channel.session.find(self._speaking.policy())
        principal.scope.check_room(self._room.shared.room.name)
        return principal

    def _check_control(self) -> None:
        self._find_principal().scope.check_room_action("control")

    def _enqueue(self, task: Task) -> None:
        size = sum(len(waiting.payload.data) for waiting in self._waiting)
        is_too_much = size and size + len(task.payload.data) > MOST_WAITING_BYTES
        if len(self._waiting) >= MOST_WAITING or is_too_much:
            raise RunestoneError(Reason.OVERLOADED, "too many messages wait for their reply", retry_after=1.0)
        self._waiting.append(task)
        if not self._is_working:
            self._is_working = True
            self._channel.spawn(self._work())

    async def _work(self) -> None:
        try:
            while self._waiting:
                task = self._waiting.popleft()
                try:
                    await task.do(self, task.payload, task.answer)
                except RunestoneError as error:
                    task.answer.error(error)
        finally:
            self._is_working = False

    async def _say(self, payload: Payload, answer: Answer) -> None:
        body = bytes(payload.read(Raw))
        if len(body) > LONGEST_MESSAGE:
            message = f"a message may take {LONGEST_MESSAGE} bytes at most"
            raise RunestoneError(Reason.INVALID_REQUEST, message, code="message_too_large")
        position = await self._room.say(self._member, MESSAGE, {**self._describe(), "body": orjson.Fragment(body)})
        answer.ok(write_position(position))

    async def _update(self, payload: Payload, answer: Answer) -> None:
        ref = await self._room.update(self._member, payload.read(MetaPayload).meta)
        answer.ok(orjson.dumps({"phx_ref": ref}))

    async def _stream(self, payload: Payload, answer: Answer) -> None:
        ask = read_ask(payload)
        message = make_message(self._channel.session, ask, is_stream=True, traceparent=self._traceparent)
        describe = partial(self._describe_stream, {"model": read_model(ask), **read_note(payload)})
        self._hosted.streams.ask(self._member, message, answer, describe, self._channel.streams)

    async def _ask_whole(self, payload: Payload, answer: Answer) -> None:
        told = {**self._describe(), **read_note(payload)}
        self._asking.ask_whole(payload, ToldAnswer(answer, self._room, self._member, told, self._channel.spawn))

    async def _steer(self, payload: Payload, answer: Answer) -> None:
        order = payload.read(Order)
        position = await self._hosted.streams.steer(self._member, order.stream_id, order.action, self._check_control)
        answer.ok(orjson.dumps({"stream_id": order.stream_id, "position": position}))

    def _describe(self) -> dict[str, object]:
        """Who says it, and when (milliseconds since the epoch)."""
        return {"from": self._member.key, "ref": self._member.ref, "at": int(self._speaking.clock.time() * 1000)}

    def _describe_stream(self, about: dict[str, object], stream_id: str) -> dict[str, object]:
        return {"stream_id": stream_id, **self._describe(), **about}


# By event: what has to be allowed for it, and what does it. Who asked may always control; the others are checked where that is known.
ACTIONS: dict[str, tuple[str, Do]] = {
    MESSAGE: ("speak", RoomHandler._say),  # noqa: SLF001  its own table
    "presence:update": ("listen", RoomHandler._update),  # noqa: SLF001  its own table
    "chat:stream": ("speak", RoomHandler._stream),  # noqa: SLF001  its own table
    "chat:message": ("speak", RoomHandler._ask_whole),  # noqa: SLF001  its own table
    "stream:control": ("listen", RoomHandler._steer),  # noqa: SLF001  its own table
}
