"""The bounds of copies in memory."""

import pytest

from cache_svc.store import Bounds
from cache_svc.streams.memory import MemoryStreams
from cache_svc.streams.store import Piece
from chassis.errors import Reason, RunestoneError
from chassis.testing import FakeClock

ONE, TWO, THREE = (bytes([number]) * 32 for number in (1, 2, 3))


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def streams(clock):
    return MemoryStreams(Bounds(max_entries=2, max_bytes=40_000), clock)


def piece(first_seq, size=100):
    return Piece(first_seq=first_seq, last_seq=first_seq, events=b"x" * size)


async def is_refused(doing):
    with pytest.raises(RunestoneError) as caught:
        await doing
    return (caught.value.reason, caught.value.retry_after) == (Reason.OVERLOADED, 1.0)


async def test_one_stream_too_many_is_refused_and_no_other_forgotten(streams):
    await streams.append(ONE, piece(1), 60)
    await streams.append(TWO, piece(1), 60)
    assert await is_refused(streams.append(THREE, piece(1), 60))
    await streams.append(ONE, piece(2), 60)
    assert len(streams) == 2


async def test_a_stream_that_is_over_makes_room(streams, clock):
    await streams.append(ONE, piece(1), 10)
    await streams.append(TWO, piece(1), 60)
    clock.advance(11.1)
    await streams.append(THREE, piece(1), 60)
    assert await streams.read(ONE, 0) is None


async def test_one_tenant_does_not_take_the_room_of_the_others(streams):
    for number in range(1, 10):
        await streams.append(ONE, piece(number, 800), 60, b"greedy")
    assert await is_refused(streams.append(ONE, piece(10, 1_200), 60, b"greedy"))
    await streams.append(TWO, piece(1, 9_000), 60, b"other")


async def test_what_is_forgotten_gives_its_bytes_back(streams, clock):
    for number in range(1, 5):
        await streams.append(ONE, piece(number), 10, b"owner")
    assert streams.used_bytes > 400
    clock.advance(11.1)
    while streams.drop_expired():
        pass
    assert (len(streams), streams.used_bytes, dict(streams._shares)) == (0, 0, {})


async def test_a_refused_piece_takes_no_memory(streams):
    with pytest.raises(RunestoneError):
        await streams.append(ONE, piece(2), 60)
    assert (len(streams), streams.used_bytes) == (0, 0)
