"""A cache-svc that keeps copies of streams in memory, as its proto says, and fails as it is told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from chassis.config import parse_settings
from chassis.errors import Reason, RunestoneError
from chassis.runtime import Service
from chassis.testing import running
from runestone.provider.v1.provider_pb2 import Accepted, CallEvent
from runestone.stream.v1 import stream_pb2_grpc
from runestone.stream.v1.stream_pb2 import AppendRequest, AppendResponse


@dataclass
class Copy:
    """What is kept of one stream."""

    head: bytes = b""
    end: bytes = b""
    frames: list[bytes] = field(default_factory=list)
    ttls: list[float] = field(default_factory=list)
    appends: int = 0

    @property
    def accepted(self) -> Accepted:
        return Accepted.FromString(self.head)

    @property
    def last(self) -> CallEvent:
        return CallEvent.FromString(self.end)

    def take(self, request: AppendRequest) -> None:
        if not request.first_seq <= len(self.frames) + 1 <= request.first_seq + len(request.ends):
            raise RunestoneError(Reason.EVENTS_LOST, "these events do not follow")
        frames = [request.body[start:end] for start, end in zip((0, *request.ends), request.ends, strict=False)]
        self.frames[request.first_seq - 1 :] = frames
        self.head, self.end = request.head or self.head, request.end
        self.ttls.append(request.ttl.ToNanoseconds() / 1e9)
        self.appends += 1


class FakeStreams(stream_pb2_grpc.StreamServiceServicer):
    """Each Append first goes as the next of `turns` says: it raises an error, or waits for an event. Then it is taken."""

    def __init__(self) -> None:
        self.copies: dict[tuple[str, str], Copy] = {}
        self.turns: list[RunestoneError | asyncio.Event] = []
        self.running: set[str] = set()
        self.asked = 0

    async def Append(self, request, context):
        assert request.stream_id not in self.running, "one at a time of a stream"
        self.running.add(request.stream_id)
        self.asked += 1
        try:
            turn = self.turns.pop(0) if self.turns else None
            if isinstance(turn, RunestoneError):
                raise turn
            if turn is not None:
                await turn.wait()
            self.copies.setdefault((request.tenant, request.stream_id), Copy()).take(request)
        finally:
            self.running.discard(request.stream_id)
        return AppendResponse()

    def find(self, call_id: str, tenant: str = "acme") -> Copy:
        return self.copies.get((tenant, call_id), Copy())


@pytest.fixture
def streams() -> FakeStreams:
    return FakeStreams()


@pytest.fixture
def open_copied_rig(open_rig, streams):
    """provider-svc, and the store that it copies to; stopped in the order of the mesh."""

    async def build(runtime):
        runtime.serve(stream_pb2_grpc.add_StreamServiceServicer_to_server, streams, "runestone.stream.v1.StreamService")

    @asynccontextmanager
    async def open_with() -> AsyncIterator:
        store = running(Service("cache", build), parse_settings("{}"))
        async with store as (runtime, _), open_rig(peers={"cache": runtime.place.listen}) as rig:
            yield rig

    return open_with


@pytest.fixture
async def copied_rig(open_copied_rig):
    async with open_copied_rig() as rig:
        yield rig
