"""Edges that share a room service, and members of their rooms."""

import itertools
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from room_stage import FakeListener, FakeRoomService

from chassis.breaker import Breaker
from chassis.config.schema import WebSocketDoor
from chassis.testing import FakeClock
from gateway_edge.rooms.crowd import Member
from gateway_edge.rooms.names import write_meta
from gateway_edge.rooms.rooms import Means, Rooms


@pytest.fixture
async def service() -> FakeRoomService:
    return FakeRoomService()


@pytest.fixture
async def make_rooms(service: FakeRoomService, clock: FakeClock) -> AsyncIterator[Callable[..., Rooms]]:
    """Edges that share the service."""
    made, ids = [], itertools.count(1)

    def make(edge: str = "edge-1", **options: Any) -> Rooms:
        means = Means(
            state=service,
            breaker=Breaker(threshold=1000, clock=clock),
            edge=edge,
            clock=clock,
            new_id=lambda: f"id{next(ids)}",
            frame_text=lambda text: text + b"\n",
            door=WebSocketDoor,
        )
        made.append(Rooms(means, **options))
        return made[-1]

    yield make
    service.is_down = False
    for rooms in made:
        await rooms.__aexit__(None, None, None)


@pytest.fixture
def make_member() -> Callable[..., Member]:
    refs = itertools.count(1)

    def make(key: str = "ann", meta: dict[str, Any] | None = None) -> Member:
        member = Member(ref=f"m{next(refs)}", key=key, meta=b"", listener=FakeListener(), api_key="ci")
        member.meta = write_meta(meta or {}, member.phx_ref)
        return member

    return make
