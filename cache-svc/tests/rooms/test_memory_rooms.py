"""Graces and bounds of rooms in memory, by a clock that the test owns."""

from contextlib import aclosing

import pytest
from rooms.room_views import LONG, presence

from cache_svc.rooms.feeds import Feeds
from cache_svc.rooms.memory import MemoryRooms
from cache_svc.rooms.store import GRACE, KEPT_FOR, Kind, room_key
from cache_svc.store import Bounds
from chassis.errors import Reason, RunestoneError
from chassis.testing import FakeClock

ONE, TWO, THREE = (room_key(str(number), "tests") for number in range(3))


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def rooms(clock):
    return MemoryRooms(Bounds(max_entries=2, max_bytes=80_000), clock, Feeds())


def watch(rooms, room=ONE, edge="edge-1", after=0):
    return rooms.watch(room, edge, after=after, history=0, seconds=10 * LONG)


async def names_in(rooms, room=ONE):
    """Seen by an edge without members."""
    async with aclosing(watch(rooms, room, "observer")) as letters:
        return [content.partition(b"|")[0].decode() for content in (await anext(letters)).members]


async def is_refused(doing):
    with pytest.raises(RunestoneError) as caught:
        await doing
    return (caught.value.reason, caught.value.retry_after) == (Reason.OVERLOADED, 1.0)


async def test_members_of_an_edge_that_does_not_come_back_are_gone_after_the_grace(rooms, clock):
    async with aclosing(watch(rooms, edge="observer")) as seen:
        await anext(seen)
        async with aclosing(watch(rooms)) as own:
            await anext(own)
            await rooms.enter(ONE, presence("anna"))
            await rooms.enter(ONE, presence("bert", "edge-2"))
            assert [change.kind for change in await anext(seen)] == [Kind.ENTERED, Kind.ENTERED]
            clock.advance(GRACE * 0.9)
            rooms.drop_expired()
        clock.advance(GRACE * 0.2)
        rooms.drop_expired()
        (change,) = await anext(seen)
        assert (change.kind, change.content) == (Kind.LEFT, b"bert")
        clock.advance(GRACE)
        rooms.drop_expired()
        (change,) = await anext(seen)
        assert (change.kind, change.content) == (Kind.LEFT, b"anna")


async def test_a_watch_that_comes_back_within_the_grace_changes_nothing_for_others(rooms, clock):
    async with aclosing(watch(rooms, edge="observer")) as seen:
        standing = await anext(seen)
        for _ in range(3):
            async with aclosing(watch(rooms)) as own:
                await anext(own)
                await rooms.enter(ONE, presence("anna"))
                clock.advance(GRACE * 2)
                rooms.drop_expired()
            clock.advance(GRACE * 0.9)
            rooms.drop_expired()
        (change,) = await anext(seen)
        assert change.kind is Kind.ENTERED and change.position > standing.position
    assert await names_in(rooms) == ["anna"]


async def test_one_of_two_watches_of_an_edge_keeps_its_members(rooms, clock):
    """One that is opened before the other is closed, as when a connection moves."""
    async with aclosing(watch(rooms)) as second:
        async with aclosing(watch(rooms)) as first:
            await anext(first)
            await anext(second)
            await rooms.enter(ONE, presence("anna"))
        clock.advance(GRACE * 2)
        rooms.drop_expired()
        assert await names_in(rooms) == ["anna"]


async def test_an_edge_that_never_watches_keeps_no_member(rooms, clock):
    await rooms.enter(ONE, presence("anna"))
    clock.advance(GRACE * 0.9)
    rooms.drop_expired()
    assert await names_in(rooms) == ["anna"]
    await rooms.enter(ONE, presence("anna", content=b"again"))
    clock.advance(GRACE * 0.2)
    rooms.drop_expired()
    assert await names_in(rooms) == []


async def test_a_member_that_moved_to_another_edge_stays_with_that(rooms, clock):
    await rooms.enter(ONE, presence("anna", "edge-1"))
    async with aclosing(watch(rooms, edge="edge-2")) as letters:
        await anext(letters)
        await rooms.enter(ONE, presence("anna", "edge-2"))
        clock.advance(GRACE * 2)
        rooms.drop_expired()
        assert await names_in(rooms) == ["anna"]


async def test_one_room_too_many_is_refused_until_one_is_forgotten(rooms, clock):
    await rooms.enter(ONE, presence("anna"))
    await rooms.publish(TWO, b"hello", is_kept=True, request_id="")
    assert await is_refused(rooms.publish(THREE, b"hello", is_kept=True, request_id=""))
    assert await is_refused(anext(watch(rooms, THREE)))
    assert await is_refused(rooms.enter(THREE, presence("bert")))
    clock.advance(KEPT_FOR)
    rooms.drop_expired()
    await rooms.enter(THREE, presence("bert"))
    assert rooms.members == 1


async def test_one_tenant_does_not_take_the_rooms_of_the_others(clock):
    rooms = MemoryRooms(Bounds(max_entries=8, max_bytes=1 << 20), clock, Feeds())
    for number in range(2):
        await rooms.enter(room_key("greedy", str(number)), presence("anna"))
    assert await is_refused(rooms.enter(room_key("greedy", "2"), presence("anna")))
    await rooms.enter(room_key("other", "0"), presence("anna"))


async def test_what_rooms_take_is_bounded_and_given_back(rooms, clock):
    for number in range(8):
        await rooms.enter(ONE, presence(f"m{number}", content=b"x" * 1_000))
    assert await is_refused(rooms.enter(ONE, presence("one more", content=b"x" * 10_000)))
    assert await is_refused(rooms.publish(ONE, b"x" * 10_000, is_kept=True, request_id=""))
    assert 8_000 < rooms.used_bytes < 20_000
    await rooms.enter(TWO, presence("of another tenant", content=b"x" * 10_000))
    clock.advance(GRACE)
    rooms.drop_expired()
    clock.advance(KEPT_FOR)
    rooms.drop_expired()
    assert (len(rooms), rooms.members, rooms.used_bytes) == (0, 0, 0)
    assert not rooms._rooms_of and not rooms._bytes_of


async def test_a_room_that_is_watched_is_not_forgotten(rooms, clock):
    async with aclosing(watch(rooms)) as letters:
        await anext(letters)
        clock.advance(KEPT_FOR * 2)
        rooms.drop_expired()
        await rooms.enter(ONE, presence("anna"))
        assert [change.kind for change in await anext(letters)] == [Kind.ENTERED]


async def test_a_process_that_follows_another_gives_greater_positions(clock):
    earlier, later = (MemoryRooms(Bounds(max_entries=9, max_bytes=90_000), clock, Feeds()) for _ in range(2))
    said = [await earlier.publish(ONE, b"x", is_kept=True, request_id="") for _ in range(100)]
    clock.advance(1)
    assert await later.publish(ONE, b"x", is_kept=True, request_id="") > said[-1]


async def test_a_clock_that_steps_back_gives_no_position_twice(rooms, clock):
    before = await rooms.publish(ONE, b"x", is_kept=True, request_id="")
    clock.advance(-3_600)
    assert await rooms.publish(ONE, b"x", is_kept=True, request_id="") > before
