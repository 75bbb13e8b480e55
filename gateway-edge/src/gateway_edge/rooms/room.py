"""A room with members in this edge: keeps in step with how it stands for all edges, and tells its members.

What is told comes out of the room's order only, also what was said here: so everybody is told the same in the same order.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

import orjson
from msgspec import Struct

from chassis.errors import Reason, RunestoneError
from gateway_edge.channels.frames import write_broadcast
from gateway_edge.rooms.crowd import Crowd, Member
from gateway_edge.rooms.history import Heard, History
from gateway_edge.rooms.names import write_meta
from gateway_edge.rooms.presence import Entry, Presence
from gateway_edge.rooms.said import KEPT, UNTOLD, Said, read_said, tell, write_said
from gateway_edge.rooms.shared import SharedRoom, rooms_unavailable
from gateway_edge.rooms.upkeep import Upkeep
from runestone.room.v1.room_pb2 import Change, Message, State
from runestone.room.v1.room_pb2 import Member as SharedMember

PATIENCE = 5.0  # seconds that a join waits for the room; Phoenix' clients wait ten
FEW = 32  # members here above which changes of presence are gathered
GATHERING = 0.1  # seconds

FrameText = Callable[[bytes], bytes]


class Welcome(Struct, frozen=True):
    """What a member is told first: up to where it has been told everything, and messages before that."""

    position: int
    history: list[Heard]


class Hearing(Protocol):
    """Who acts on what is said in a room, beside telling it: the streams of the room."""

    def heard(self, event: str, said: Said, *, is_old: bool) -> None:
        """Something was said; `is_old` where that was before this edge came to the room."""


class Room:
    """One room. `follow` is given each state and all changes in order, by its watch; `shared` is told what members do. A member is told who is
    there (`presence_state`) before anything else, and then nothing twice."""

    def __init__(
        self,
        shared: SharedRoom,
        topic: str,
        crowd: Crowd,
        *,
        history: int,
        frame_text: FrameText,
    ) -> None:
        self.shared = shared
        self.topic = topic
        self.crowd = crowd
        self.presence = Presence()
        self.history = History(history)
        self.upkeep = Upkeep(shared)
        self.position = 0
        self.hearing: Hearing | None = None
        self._frame_text = frame_text
        self._is_followed = asyncio.Event()
        self._arrivals: dict[str, asyncio.Future[None]] = {}
        self._newcomers: list[Member] = []
        self._next_telling: asyncio.TimerHandle | None = None

    @property
    def is_followed(self) -> bool:
        """Whether it is known how the room stands."""
        return self._is_followed.is_set()

    async def enter(self, member: Member, *, after: int = 0, most: int = 0) -> Welcome:
        """Brings a member in. It is told of everything that comes behind what is returned: up to `most` messages behind the position
        `after`. Raises OVERLOADED when the room is full, UNAVAILABLE when its state is away; then, and when cancelled, it is not in."""
        if self.crowd.is_full:
            raise RunestoneError(Reason.OVERLOADED, "the room is full", retry_after=5.0, code="room_full")
        self.crowd.add(member)
        try:
            async with asyncio.timeout(PATIENCE):
                await self._is_followed.wait()
                await self._arrive(member)
        except TimeoutError as error:
            self.leave(member)
            raise rooms_unavailable() from error
        except BaseException:
            self.leave(member)
            raise
        self._newcomers.append(member)
        self._tell_presence_soon()
        return Welcome(self.position, self.history.after(after if after <= self.position else 0, most))

    async def update(self, member: Member, meta: object) -> str:
        """Changes what is told of a member. Returns its new ref. Raises INVALID_REQUEST for what cannot be told, UNAVAILABLE when nobody
        can be told."""
        before = (member.version, member.meta)
        old = member.phx_ref
        written = write_meta(meta, f"{member.ref}.{member.version + 1}", old)
        member.version, member.meta = member.version + 1, written
        try:
            await self.shared.enter(member.ref, Entry(member.key, written))
        except RunestoneError:
            if member.meta is written:
                member.version, member.meta = before
            raise
        return member.phx_ref

    def leave(self, member: Member) -> None:
        """A member goes, at once here; the others are told as soon as can be. Harmless for who is gone."""
        if self.crowd.remove(member):
            self.upkeep.take_out(member.ref)

    async def say(self, member: Member, event: str, told: dict[str, object]) -> int:
        """Tells everybody, the member too, and returns the position. Raises UNAVAILABLE when nothing can be said, OVERLOADED when too much
        is."""
        payload = write_said(told, member.api_key)
        return await self.shared.publish(event, payload, sender=member.ref, is_kept=event in KEPT)

    def take_state(self, state: State) -> None:
        """How the room stands: in the beginning, and after a time in which changes may have been missed. Members of this edge that it does
        not know any more are put in again, and the others not told."""
        is_first = not self.position and not self.presence
        if state.position < self.position:
            self.history.clear()  # it began anew, its order too
        entries = {member.ref: Entry(member.key, member.meta) for member in state.members}
        for told in state.members:
            self._check_ours(told)
        for member in self.crowd:
            if member.ref in self.presence and member.ref not in entries:
                self.upkeep.put_in(member)
        self.presence.replace(entries, kept=[member.ref for member in self.crowd])
        for message in state.messages:
            self._hear(message, message.position, is_old=is_first)
        self.position = state.position
        for ref in entries:
            self._note_arrival(ref)
        self._is_followed.set()
        self._tell_presence_soon()

    def take_changes(self, changes: Sequence[Change]) -> None:
        """What changed since, in order."""
        for change in changes:
            _CHANGES[change.WhichOneof("change") or ""](self, change)
            self.position = change.position

    def lose(self) -> None:
        """The room cannot be followed for now: members keep what they know, and nobody comes in."""
        self._is_followed.clear()

    def tell(self, event: str, payload: bytes) -> None:
        """Sends all members here a message."""
        self.crowd.tell(self._frame(event, payload))

    def close(self) -> None:
        """Stops what still runs for this room."""
        if self._next_telling is not None:
            self._next_telling.cancel()

    async def _arrive(self, member: Member) -> None:
        """Enters, and waits until the room's order says so."""
        arrival = self._arrivals[member.ref] = asyncio.get_running_loop().create_future()
        try:
            await self.shared.enter(member.ref, Entry(member.key, member.meta))
            await arrival
        finally:
            del self._arrivals[member.ref]

    def _note_arrival(self, ref: str) -> None:
        arrival = self._arrivals.get(ref)
        if arrival is not None and not arrival.done():
            arrival.set_result(None)

    def _entered(self, change: Change) -> None:
        member = change.entered
        self._check_ours(member)
        self.presence.enter(member.ref, Entry(member.key, member.meta))
        self._note_arrival(member.ref)
        self._tell_presence_soon()

    def _check_ours(self, member: SharedMember) -> None:
        """Who is said to be here and is not, because leaving overtook entering, is taken out: nobody else would."""
        if member.edge == self.shared.edge and member.ref not in self.crowd:
            self.upkeep.take_out(member.ref)

    def _left(self, change: Change) -> None:
        member = self.crowd.find(change.left)
        if member is not None and member.ref in self.presence:
            self.upkeep.put_in(member)  # it was taken for lost, and is here
            return
        self.presence.leave(change.left)
        self._tell_presence_soon()

    def _said(self, change: Change) -> None:
        self._hear(change.message, change.position, is_old=False)

    def _hear(self, message: Message, position: int, *, is_old: bool) -> None:
        said = read_said(message.payload)
        if said is None:
            return
        self._tell_presence()
        payload = tell(said, position)
        if message.event in KEPT:
            self.history.add(Heard(position, message.event, payload))
        if message.event not in UNTOLD and not is_old:
            self.tell(message.event, payload)
        if self.hearing is not None:
            self.hearing.heard(message.event, said, is_old=is_old)

    def _tell_presence_soon(self) -> None:
        """At once where few are here; else what changes within a tenth of a second is told together: a thousand who come together would
        else be told a million times."""
        if self._next_telling is None:
            pause = GATHERING if len(self.crowd) > FEW else 0.0
            self._next_telling = asyncio.get_running_loop().call_later(pause, self._tell_presence)

    def _tell_presence(self) -> None:
        if self._next_telling is None:
            return
        self._next_telling.cancel()
        self._next_telling = None
        diff = self.presence.tell()
        if diff is not None:
            self.tell("presence_diff", orjson.dumps(diff._asdict()))
        newcomers, self._newcomers = self._newcomers, []
        if newcomers:
            self._tell_newcomers(newcomers)

    def _tell_newcomers(self, newcomers: Sequence[Member]) -> None:
        frame = self._frame("presence_state", orjson.dumps(self.presence.state()))
        for member in newcomers:
            if member.ref in self.crowd:
                member.is_joined = True
                member.listener.send_frame(frame)

    def _frame(self, event: str, payload: bytes) -> bytes:
        """A message to everybody, made once."""
        return self._frame_text(write_broadcast(self.topic, event, payload))

    def __repr__(self) -> str:
        return f"Room({self.topic}, position {self.position}, {self.crowd!r}, {self.presence!r})"


def _unknown(_room: Room, _change: Change) -> None:
    """A newer kind of change."""


_CHANGES: dict[str, Callable[[Room, Change], None]] = {
    "entered": Room._entered,  # noqa: SLF001  its own table
    "left": Room._left,  # noqa: SLF001  its own table
    "message": Room._said,  # noqa: SLF001  its own table
    "": _unknown,
}
