"""What a place for copies of streams promises."""

from dataclasses import dataclass
from typing import Protocol

from chassis.errors import Reason, RunestoneError
from chassis.hashing import hash_parts

MAX_STREAM = 4 << 20  # bytes of events that are kept of one stream: then the oldest leave


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """The next events of a stream: those from `first_seq` to `last_seq` (one less where there are none), as the bytes `events`; what is to be
    given back with them, and how it ended. Empty is what is not said."""

    first_seq: int
    last_seq: int
    events: bytes = b""
    head: bytes = b""
    end: bytes = b""


@dataclass(frozen=True, slots=True)
class Chunk:
    """The events of one piece as they were given, and the number of the last. The first ones may have been in the chunk before, too."""

    last_seq: int
    events: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some of what is kept of a stream, in order. `end` is empty while it runs, and as long as it `has_more` chunks."""

    head: bytes
    chunks: tuple[Chunk, ...] = ()
    end: bytes = b""
    has_more: bool = False


class StreamStore(Protocol):
    """Streams by key (`stream_key`), each until its time. Every method raises UNAVAILABLE when the store does not answer, and is one step
    that nothing comes between."""

    async def append(self, key: bytes, piece: Piece, ttl: float, owner: bytes = b"") -> None:
        """Adds what is new of the piece, and keeps the stream for `ttl` seconds from now. Raises EVENTS_LOST for events that do not follow
        those that were given before, or follow its end: then nothing changes; OVERLOADED when there is no room, for all or for the
        owner, or when the piece alone is larger than a stream may be."""

    async def read(self, key: bytes, after_seq: int) -> Page | None:
        """What follows `after_seq`, about 256 KiB of it at most; None when nothing is kept under the key. Raises EVENTS_LOST when the next
        event is not kept any more."""


def stream_key(tenant: str, stream_id: str) -> bytes:
    """What a tenant's stream is kept under: no choice of names makes two streams one."""
    return hash_parts((b"stream", tenant.encode(), stream_id.encode()))


def check_size(piece: Piece) -> None:
    """Raises OVERLOADED for a piece that no stream has room for."""
    if len(piece.events) > MAX_STREAM:
        message = f"{len(piece.events)} bytes at once are more than the {MAX_STREAM} that are kept of a stream"
        raise RunestoneError(Reason.OVERLOADED, message, may_have_begun=False)


def gap() -> RunestoneError:
    """What is raised for a piece that does not follow what was given before."""
    message = "the events do not follow what was copied before; the copy ends there"
    return RunestoneError(Reason.EVENTS_LOST, message, may_have_begun=False)


def not_reached() -> RunestoneError:
    """What is raised for who asks for events that have left."""
    return RunestoneError(Reason.EVENTS_LOST, "the copy of the stream does not reach back that far")
