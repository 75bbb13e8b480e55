"""Edges that share a room service, and members of their rooms."""

import itertools
import json
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import pytest
import structlog
from room_stage import FakeCalls, FakeListener, FakeRoomService, RoomClient

from chassis.breaker import Breaker
from chassis.clock import SystemClock
from chassis.config.decode import parse_settings
from chassis.config.schema import WebSocketDoor
from chassis.snapshots import Snapshot
from chassis.testing import FakeClock
from gateway_edge.callers.session import Session
from gateway_edge.channels.door import ChannelsDoor
from gateway_edge.channels.streams import Asking
from gateway_edge.policy import Policy
from gateway_edge.rooms.crowd import Member
from gateway_edge.rooms.handler import Speaking
from gateway_edge.rooms.joining import RoomTopics
from gateway_edge.rooms.names import write_meta
from gateway_edge.rooms.reading import ReaderMeans
from gateway_edge.rooms.rooms import Means, Rooms
from gateway_edge.rooms.streams import RoomStreams, StreamMeans


@pytest.fixture
async def service() -> FakeRoomService:
    return FakeRoomService()


@pytest.fixture
async def calls() -> FakeCalls:
    return FakeCalls()


TENANTS = [
    {
        "name": "acme",
        "keys": [
            {"name": "ci", "secret": "acme-key-0123456789"},
            {"name": "reader", "secret": "reader-key-0123456789", "scopes": {"room_actions": ["listen"]}},
            {"name": "bound", "secret": "bound-key-0123456789", "scopes": {"rooms": ["lobby", "team-*"]}},
            {
                "name": "speaker",
                "secret": "speaker-key-0123456789",
                "scopes": {
                    "room_actions": ["speak"],
                    "addresses": ["10.0.0.0/8"],
                    "endpoints": ["/v1/chat/completions", "/socket/websocket"],
                },
            },
        ],
    },
    {"name": "other", "keys": [{"name": "ci", "secret": "other-key-0123456789"}]},
]


@pytest.fixture
def policy() -> Policy:
    return Policy.of(Snapshot("v1", parse_settings(json.dumps({"tenants": TENANTS}))), 0.0)


class Edge:
    """An edge's rooms, and clients of them."""

    def __init__(self, rooms: Rooms, policy: Policy, opens: Callable[[Any], Any]) -> None:
        self.rooms = rooms
        self._policy = policy
        self._opens = opens

    def client(self, topic: str = "room:lobby", *, key: str = "ci", tenant: str = "acme") -> RoomClient:
        principal = self._policy.authority.member(tenant, key)
        assert principal is not None
        return RoomClient(self._opens, Session(principal, {}, "10.0.0.1", "v1"), topic)


@pytest.fixture
async def make_edge(
    service: FakeRoomService, calls: FakeCalls, clock: FakeClock, policy: Policy, spawn: Callable[..., None]
) -> AsyncIterator[Callable[..., Edge]]:
    """Edges that share rooms and streams; `is_shared` says whether rooms can hold."""
    made, ids = [], itertools.count(1)

    def make(edge: str = "edge-1", *, is_shared: bool = True, **bounds: Any) -> Edge:
        door, log = WebSocketDoor(**bounds), structlog.get_logger()
        means = Means(
            state=service,
            breaker=Breaker(threshold=1000, clock=clock),
            edge=edge,
            clock=clock,
            new_id=lambda: f"id{next(ids)}",
            frame_text=frame_text,
            door=lambda: door,
            log=log,
        )
        reading = ReaderMeans(calls=calls, policy=lambda: policy, clock=SystemClock())
        streams = StreamMeans(
            reading=reading,
            control=calls,
            end=calls.end,
            let_pass=calls.passed.append,
            frame_text=frame_text,
            door=lambda: door,
            log=log,
        )
        rooms = Rooms(means, partial(RoomStreams, means=streams))
        asking = Asking(calls=calls, control=calls, end=calls.end, door=lambda: door, spawn=spawn, log=log)
        speaking = Speaking(policy=lambda: policy, clock=clock, asking=asking)
        topics = RoomTopics(rooms, speaking, new_ref=lambda: f"m{next(ids)}", is_shared=lambda: is_shared)
        opened = ChannelsDoor({"room": topics}, lambda: door, clock=clock, log=log)
        made.append(rooms)
        return Edge(rooms, policy, opened.open)

    yield make
    service.is_down = False
    for rooms in made:
        await rooms.__aexit__(None, None, None)


@pytest.fixture
def make_rooms(make_edge: Callable[..., Edge]) -> Callable[..., Rooms]:
    """Only the rooms."""
    return lambda *args, **options: make_edge(*args, **options).rooms


def frame_text(text: bytes) -> bytes:
    """A frame that a test can read."""
    return text + b"\n"


@pytest.fixture
def make_member() -> Callable[..., Member]:
    refs = itertools.count(1)

    def make(key: str = "ann", meta: dict[str, Any] | None = None) -> Member:
        member = Member(ref=f"m{next(refs)}", key=key, meta=b"", listener=FakeListener(), api_key="ci")
        member.meta = write_meta(meta or {}, member.phx_ref)
        return member

    return make
