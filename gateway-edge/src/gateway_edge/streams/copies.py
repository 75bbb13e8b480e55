"""What is left of a stream when nobody reads it any more: its copy in cache-svc."""

from collections.abc import AsyncGenerator, AsyncIterable
from typing import Protocol

from google.protobuf.message import DecodeError

from chassis.client import closing
from chassis.errors import Reason, RunestoneError
from chassis.metadata import ROUTE_KEY, Metadata
from runestone.provider.v1.provider_pb2 import Accepted, AttachResponse, CallEvent, Data
from runestone.stream.v1.stream_pb2 import ReadRequest, ReadResponse


class StoredStreams(Protocol):
    """What is asked of cache-svc: `StreamServiceStub`."""

    def Read(self, request: ReadRequest, /, *, metadata: Metadata = ()) -> AsyncIterable[ReadResponse]:  # noqa: N802  the rpc's name
        """What is kept of a stream."""


class Copies:
    """Reads copies as `Attach` would give them."""

    def __init__(self, store: StoredStreams) -> None:
        self._store = store

    async def read(self, tenant: str, stream_id: str, after_seq: int) -> AsyncGenerator[AttachResponse]:
        """What is kept behind `after_seq`, with its end where that is kept, too. Raises NOT_FOUND, EVENTS_LOST, UNAVAILABLE."""
        request = ReadRequest(tenant=tenant, stream_id=stream_id, after_seq=after_seq)
        metadata = ((ROUTE_KEY, f"{tenant}\0{stream_id}".encode()),)
        async with closing(self._store.Read(request, metadata=metadata)) as parts:
            async for part in parts:
                if response := _translate(part):
                    yield response


def _translate(part: ReadResponse) -> AttachResponse | None:
    """The events that a part of a copy holds; None for none. Raises INTERNAL for what nobody has copied."""
    try:
        events = [CallEvent(accepted=Accepted.FromString(part.head))] if part.head else []
        if part.body:
            events.append(CallEvent(data=Data(body=part.body, first_seq=part.first_seq, ends=part.ends)))
        if part.end:
            events.append(CallEvent.FromString(part.end))
    except DecodeError as error:
        raise RunestoneError(Reason.INTERNAL, "the copy of this stream cannot be read") from error
    return AttachResponse(events=events) if events else None
