"""What a place for rooms promises."""

import enum
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from chassis.errors import Reason, RunestoneError
from chassis.hashing import hash_parts

GRACE = 10.0  # seconds that members of an edge stay when it does not watch any more
REPEATABLE = 60.0  # seconds in which the same request is done once
OWNER_SIZE = 16  # bytes
KEPT_FOR = 900.0  # seconds that a room in which nothing happens is remembered; every watch comes back long before


class Kind(enum.Enum):
    """What a change is, and what its content is."""

    ENTERED = b"entered"  # a serialized `runestone.room.v1.Member`, sealed where its tenant's are
    LEFT = b"left"  # a ref
    SAID = b"said"  # a serialized `runestone.room.v1.Message`, as a member


@dataclass(frozen=True, slots=True)
class Change:
    """Something that happened in a room, and where in its order."""

    position: int
    kind: Kind
    content: bytes

    @property
    def size(self) -> int:
        """Bytes that it counts for."""
        return len(self.content) + 200


@dataclass(frozen=True, slots=True)
class Presence:
    """A member of a room: its ref, the edge that it is connected to, and all that is told of it (see `Kind.ENTERED`)."""

    ref: str
    edge: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a room stands at `position`: what is told of each member, and messages in order. `is_behind` says that some are missing."""

    members: tuple[bytes, ...]
    messages: tuple[Change, ...]
    position: int
    is_behind: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomBounds:
    """How much a room may hold: `max_members`; of its messages, of those that are kept as its history and of the others, the last
    `max_messages` each and `max_bytes` of them; and how many are said in one second, `max_rate` and `max_byte_rate` bytes of them."""

    max_members: int = 10_000
    max_messages: int = 200
    max_bytes: int = 2 << 20
    max_rate: int = 1_000
    max_byte_rate: int = 8 << 20


BOUNDS = RoomBounds()


class RoomStore(Protocol):
    """Rooms by key (`room_key`), each with one order of changes. Every method raises UNAVAILABLE when the store does not answer, and is one
    step that nothing comes between."""

    async def enter(self, room: bytes, presence: Presence) -> int:
        """Lets somebody be in the room, or changes what is told of him; says where in the order. For as long as his edge watches, and for
        `GRACE` seconds. Raises OVERLOADED when the room, or the store, is full."""

    async def leave(self, room: bytes, ref: str) -> None:
        """Lets nobody be in the room under `ref`."""

    async def publish(self, room: bytes, content: bytes, *, is_kept: bool, request_id: str) -> int:
        """Says something, as a part of the history where it `is_kept`; says where in the order. With a request id that was used within the
        last minute that is where it was said then. Raises OVERLOADED when too much is said, or the store is full."""

    def watch(
        self, room: bytes, edge: str, *, after: int, history: int, seconds: float
    ) -> AsyncGenerator[Standing | tuple[Change, ...]]:
        """How the room stands, then all that changes behind that, in order. Of messages those behind `after`, or where that is 0 the last
        `history`. Ends after `seconds`, when the store is closed, when somebody is too slow, and when changes may have been lost: who
        watches anew, from where he is, knows all again. Raises UNAVAILABLE when it is closed. Whoever stops early closes it."""

    def close(self) -> None:
        """Ends every watch now, and lets none begin."""


def room_key(tenant: str, name: str) -> bytes:
    """What a tenant's room is kept under, 32 bytes: no choice of names makes two rooms one. All rooms of a tenant begin alike."""
    owner = hash_parts((b"tenant", tenant.encode()))[:OWNER_SIZE]
    return owner + hash_parts((b"room", tenant.encode(), name.encode()))[:OWNER_SIZE]


def owner_of(room: bytes) -> bytes:
    """The same for all rooms of one tenant."""
    return room[:OWNER_SIZE]


def room_is_full(most: int) -> RunestoneError:
    """What is raised for one member too many."""
    message = f"{most} members are in the room, which is all that may be"
    return RunestoneError(Reason.OVERLOADED, message, retry_after=1.0, may_have_begun=False)


def too_much_is_said() -> RunestoneError:
    """What is raised for one message too many."""
    message = "too much is said in the room; try again"
    return RunestoneError(Reason.OVERLOADED, message, retry_after=1.0, may_have_begun=False)


def is_stopping() -> RunestoneError:
    """What is raised to who wants to watch."""
    return RunestoneError(Reason.UNAVAILABLE, "the service is stopping; watch another", may_have_begun=False)
