"""What is kept of one stream, in memory. Pure."""

from collections import deque

from cache_svc.streams.store import MAX_STREAM, Chunk, Page, Piece, gap, not_reached

OVERHEAD = 200  # bytes that a chunk counts for beyond its events
PAGE = 256 << 10  # bytes of events that are read at once: the chunk that passes it is the last


class Copy:
    """Its last `max_bytes` of events, at least the last chunk of them; its head, and its end."""

    def __init__(self, max_bytes: int = MAX_STREAM) -> None:
        self._max_bytes = max_bytes
        self._chunks: deque[Chunk] = deque()
        self._first_seq = 1
        self._last_seq = 0
        self._size = 0
        self._head = b""
        self._end = b""

    @property
    def size(self) -> int:
        """Bytes that it counts for."""
        return self._size + OVERHEAD + len(self._head) + len(self._end)

    def append(self, piece: Piece) -> None:
        """Adds what is new of it. Raises EVENTS_LOST, and then nothing has changed."""
        is_new = piece.last_seq > self._last_seq
        if piece.first_seq > self._last_seq + 1 or (is_new and self._end):
            raise gap()
        self._head = piece.head or self._head
        if is_new:
            self._chunks.append(Chunk(piece.last_seq, piece.events))
            self._size += len(piece.events) + OVERHEAD
            self._last_seq = piece.last_seq
        if piece.end and piece.last_seq == self._last_seq:
            self._end = piece.end
        while self._size > self._max_bytes and len(self._chunks) > 1:
            self._drop_oldest()

    def read(self, after_seq: int) -> Page:
        """What follows, as far as a page goes. Raises EVENTS_LOST."""
        if after_seq + 1 < self._first_seq:
            raise not_reached()
        behind = [chunk for chunk in self._chunks if chunk.last_seq > after_seq]
        taken, size = 0, 0
        while taken < len(behind) and size < PAGE:
            size += len(behind[taken].events) + OVERHEAD
            taken += 1
        has_more = taken < len(behind)
        return Page(
            head=self._head, chunks=tuple(behind[:taken]), end=b"" if has_more else self._end, has_more=has_more
        )

    def _drop_oldest(self) -> None:
        oldest = self._chunks.popleft()
        self._size -= len(oldest.events) + OVERHEAD
        self._first_seq = oldest.last_seq + 1

    def __repr__(self) -> str:
        return f"Copy({self._first_seq} to {self._last_seq}, {self.size} bytes)"
