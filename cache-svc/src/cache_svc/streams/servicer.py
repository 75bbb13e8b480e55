"""StreamService: protobuf in, a store asked, protobuf out."""

from collections.abc import AsyncIterator

from cache_svc.seals import ContentSeal
from cache_svc.streams.reading import read_key, read_piece, read_place, read_ttl
from cache_svc.streams.store import Page, StreamStore, not_reached
from cache_svc.streams.writing import StreamWriting
from chassis.errors import Reason, RunestoneError
from chassis.server import Context
from runestone.stream.v1.stream_pb2 import AppendRequest, AppendResponse, ReadRequest, ReadResponse
from runestone.stream.v1.stream_pb2_grpc import StreamServiceServicer


class StreamServicer(StreamServiceServicer):
    """Answers out of one store, in which the events of some tenants are sealed."""

    def __init__(self, store: StreamStore, seal: ContentSeal) -> None:
        self._store = store
        self._seal = seal

    async def Append(self, request: AppendRequest, context: Context) -> AppendResponse:  # noqa: N802, ARG002
        """Keeps the next events, or the end."""
        key, ttl = read_key(request), read_ttl(request.ttl)
        piece = StreamWriting(self._seal, request.tenant, key).write(read_piece(request))
        await self._store.append(key, piece, ttl, request.tenant.encode())
        return AppendResponse()

    async def Read(self, request: ReadRequest, context: Context) -> AsyncIterator[ReadResponse]:  # noqa: N802, ARG002
        """Gives what is kept, a chunk a message. A stream that is forgotten, or gets ahead of a slow reader, ends in EVENTS_LOST."""
        key, after_seq = read_key(request), read_place(request)
        writing = StreamWriting(self._seal, request.tenant, key)
        page = await self._store.read(key, after_seq)
        head = None if page is None else writing.read_head(page)
        if page is None or head is None:
            raise RunestoneError(Reason.NOT_FOUND, "nothing is kept of such a stream")
        while True:
            for response in _answer(writing, page, after_seq):
                response.head, head = head, b""
                yield response
            if not page.has_more:
                return
            after_seq = page.chunks[-1].last_seq
            page = await self._store.read(key, after_seq)
            if page is None:
                raise not_reached()


def _answer(writing: StreamWriting, page: Page, after_seq: int) -> list[ReadResponse]:
    """A page as messages; the last one of a stream has its end, and is there for it where nothing else is."""
    responses = []
    for chunk in page.chunks:
        responses.append(writing.read_events(chunk, after_seq))
        after_seq = chunk.last_seq
    if not responses:
        responses.append(ReadResponse())
    responses[-1].end = writing.read_end(page)
    return responses
