"""Feeds: bounded together, and a follower who is too slow is sent away."""

import asyncio
from contextlib import aclosing

import pytest
from rooms.room_views import LONG, PATIENT

from cache_svc.rooms.feeds import LETTER, Feeds
from cache_svc.rooms.store import Change, Kind
from chassis.clock import SystemClock

ROOM, OTHER = b"r" * 32, b"o" * 32


def change(position, size=0):
    return Change(position, Kind.SAID, b"x" * size)


def follow(feed, place=0):
    clock = SystemClock()
    return aclosing(feed.follow(place, clock.monotonic() + LONG, clock))


async def test_a_slow_follower_takes_no_memory_and_is_sent_away():
    feeds = Feeds(max_bytes=2_000)
    with feeds.open(ROOM, "edge") as feed:
        async with follow(feed) as letters:
            feeds.add(ROOM, change(1))
            assert [heard.position for heard in await anext(letters)] == [1]
            for position in range(2, 100):
                feeds.add(ROOM, change(position))
                assert feeds.used_bytes <= 2_000
            assert await anext(letters, None) is None


async def test_one_who_keeps_up_hears_everything_whatever_happens_in_other_rooms():
    feeds = Feeds(max_bytes=2_000)
    with feeds.open(ROOM, "edge") as feed, feeds.open(OTHER, "edge"):
        async with follow(feed) as letters:
            for position in range(1, 50):
                feeds.add(ROOM, change(2 * position))
                assert [heard.position for heard in await anext(letters)] == [2 * position]
                for _ in range(20):
                    feeds.add(OTHER, change(2 * position + 1))


async def test_what_is_there_comes_together_in_bounded_letters():
    feeds = Feeds()
    with feeds.open(ROOM, "edge") as feed:
        for position in range(1, 2 * LETTER + 2):
            feeds.add(ROOM, change(position))
        for position in range(1_000, 1_006):
            feeds.add(ROOM, change(position, 400_000))
        async with follow(feed, 1) as letters:
            sizes = [len(await anext(letters)) for _ in range(4)]
    assert sizes[0] == LETTER and sizes[-1] <= 2


@pytest.mark.parametrize("count", [1, 1_000])
async def test_what_nobody_watches_any_more_is_forgotten(count):
    feeds = Feeds(max_changes=100)
    with feeds.open(ROOM, "edge"):
        for position in range(count):
            feeds.add(ROOM, change(position))
        assert feeds.is_watched(ROOM, "edge") and not feeds.is_watched(ROOM, "other")
    feeds.add(ROOM, change(count))
    assert (len(feeds), feeds.used_bytes, feeds.list_watched()) == (0, 0, [])
    assert len(feeds._order) <= 100


async def test_who_is_sent_away_watches_anew_with_another_feed():
    feeds = Feeds()
    with feeds.open(ROOM, "edge") as before, feeds.open(OTHER, "edge") as untouched:
        feeds.end(lambda room: room == ROOM)
        with feeds.open(ROOM, "edge") as after:
            feeds.add(ROOM, change(1))
            async with follow(before) as letters:
                assert await anext(letters, None) is None
            async with follow(after) as letters:
                assert len(await anext(letters)) == 1
            async with follow(untouched) as letters:
                waiting = asyncio.create_task(anext(letters))
                feeds.add(OTHER, change(2))
                assert len(await asyncio.wait_for(waiting, PATIENT)) == 1
        assert feeds.list_watched() == [(OTHER, "edge")]


async def test_a_close_is_for_good():
    feeds = Feeds()
    with feeds.open(ROOM, "edge") as feed:
        feeds.close()
        async with follow(feed) as letters:
            assert await anext(letters, None) is None
    assert feeds.is_closed
