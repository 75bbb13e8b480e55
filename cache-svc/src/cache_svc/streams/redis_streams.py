"""Copies of streams in Redis or Redis Cluster: the same for all replicas. A stream is one key, which Redis forgets in time."""

from cache_svc.streams.copy import PAGE
from cache_svc.streams.store import MAX_STREAM, Chunk, Page, Piece, check_size, gap, not_reached
from chassis.redis import RedisClient, Script

STREAM = "rs:sm:"
APPEND, READ = (Script.load("cache_svc.streams", f"{name}.lua") for name in ("append", "read"))


class RedisStreams:
    """Redis bounds itself; of a stream no more than `max_bytes` of events are kept."""

    def __init__(self, client: RedisClient, max_bytes: int = MAX_STREAM) -> None:
        self._client = client
        self._max_bytes = max_bytes

    async def append(self, key: bytes, piece: Piece, ttl: float, owner: bytes = b"") -> None:  # noqa: ARG002  Redis counts no owners
        """By Redis' clock. A Redis that is full and evicts nothing refuses, which is UNAVAILABLE."""
        check_size(piece)
        arguments = (piece.first_seq, piece.last_seq, piece.events, piece.head, piece.end)
        if not await self._client.run(APPEND, [_name(key)], [*arguments, -int(-ttl * 1000 // 1), self._max_bytes]):
            raise gap()

    async def read(self, key: bytes, after_seq: int) -> Page | None:
        """The same for all replicas."""
        found = await self._client.run(READ, [_name(key)], [after_seq, PAGE])
        if not found:
            return None
        if len(found) == 1:
            raise not_reached()
        head, end, has_more, chunks = found
        return Page(head=head, chunks=tuple(map(_read_chunk, chunks)), end=end, has_more=bool(has_more))

    def __repr__(self) -> str:
        return f"RedisStreams({self._client!r})"


def _name(key: bytes) -> str:
    return STREAM + key.hex()


def _read_chunk(chunk: bytes) -> Chunk:
    last_seq, _, events = chunk.partition(b":")
    return Chunk(int(last_seq), events)
