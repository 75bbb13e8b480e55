"""Events of a stream as a store keeps them, sealed where their tenant's are, and as a reader gets them. Pure."""

from google.protobuf.message import DecodeError

from cache_svc.seals import ContentSeal
from cache_svc.streams.store import Chunk, Page, Piece, not_reached
from chassis.hashing import hash_parts
from runestone.stream.v1.stream_pb2 import AppendRequest, ReadResponse


class StreamWriting:
    """Writes and reads what is kept under one key for one tenant."""

    def __init__(self, seal: ContentSeal, tenant: str, key: bytes) -> None:
        self._seal = seal
        self._tenant = tenant
        self._key = key

    def write(self, request: AppendRequest) -> Piece:
        """What is kept of a request."""
        last_seq = request.first_seq + len(request.ends) - 1
        events = ReadResponse(body=request.body, first_seq=request.first_seq, ends=request.ends).SerializeToString()
        return Piece(
            first_seq=request.first_seq,
            last_seq=last_seq,
            events=self._close(f"events {last_seq}", events) if request.ends else b"",
            head=self._close("head", request.head),
            end=self._close("end", request.end),
        )

    def read_head(self, page: Page) -> bytes | None:
        """The head; None where it cannot be opened."""
        return self._open("head", page.head)

    def read_events(self, chunk: Chunk, after_seq: int) -> ReadResponse:
        """Those of a chunk that follow `after_seq`. Raises EVENTS_LOST where they cannot be opened."""
        opened = self._open(f"events {chunk.last_seq}", chunk.events)
        try:
            response = ReadResponse.FromString(opened or b"")
        except DecodeError:
            raise not_reached() from None
        if not response.ends:
            raise not_reached()
        return cut(response, after_seq)

    def read_end(self, page: Page) -> bytes:
        """How it ended; empty also where that cannot be opened: a stream whose end is not known is not whole."""
        return self._open("end", page.end) or b""

    def _close(self, what: str, text: bytes) -> bytes:
        return self._seal.seal(self._tenant, self._place(what), text) if text else b""

    def _open(self, what: str, text: bytes) -> bytes | None:
        return self._seal.unseal(self._tenant, self._place(what), text) if text else b""

    def _place(self, what: str) -> bytes:
        return hash_parts((self._key, what.encode()))


def cut(events: ReadResponse, after_seq: int) -> ReadResponse:
    """Those that follow `after_seq`; there is at least one."""
    seen = after_seq + 1 - events.first_seq
    if seen <= 0:
        return events
    start = events.ends[seen - 1]
    ends = [end - start for end in events.ends[seen:]]
    return ReadResponse(body=events.body[start:], first_seq=after_seq + 1, ends=ends)
