"""What every place for copies of streams promises, over all of them; two replicas where the store is shared."""

import asyncio
import itertools

import pytest

from cache_svc.store import Bounds
from cache_svc.streams.memory import MemoryStreams
from cache_svc.streams.redis_streams import RedisStreams
from cache_svc.streams.store import MAX_STREAM, Chunk, Page, Piece, stream_key
from chassis.clock import SystemClock
from chassis.errors import Reason, RunestoneError

LONG = 60.0
keys = (stream_key("tests", str(number)) for number in itertools.count())


@pytest.fixture(params=["memory", "redis_pool", "cluster"])
def replicas(request):
    """Two replicas of one truth: the same memory, or two who ask one Redis, or one cluster."""
    if request.param == "memory":
        return [MemoryStreams(Bounds(max_entries=1_000, max_bytes=256 << 20), SystemClock())] * 2
    return [RedisStreams(request.getfixturevalue(request.param)) for _ in range(2)]


@pytest.fixture
def store(replicas):
    return replicas[0]


@pytest.fixture
def key():
    return next(keys)


def piece(first_seq, *events, **members):
    return Piece(first_seq=first_seq, last_seq=first_seq + len(events) - 1, events=b"".join(events), **members)


async def read_all(store, key, after_seq=0):
    """What is kept behind a place: the chunks of all pages, and the end."""
    chunks: list[Chunk] = []
    while True:
        page = await store.read(key, chunks[-1].last_seq if chunks else after_seq)
        chunks += page.chunks
        if not page.has_more:
            return [(chunk.last_seq, chunk.events) for chunk in chunks], page.end


async def reason_of(doing):
    with pytest.raises(RunestoneError) as caught:
        await doing
    return caught.value.reason


async def test_what_is_appended_is_read_by_every_replica_in_order(replicas, key):
    await replicas[0].append(key, piece(1, b"a", b"b", head=b"head"), LONG)
    await replicas[1].append(key, piece(3, b"c"), LONG)
    await replicas[0].append(key, piece(4, b"\x00:\xff", end=b"over"), LONG)
    for replica in replicas:
        assert await replica.read(key, 0) == Page(
            head=b"head", chunks=(Chunk(2, b"ab"), Chunk(3, b"c"), Chunk(4, b"\x00:\xff")), end=b"over"
        )


@pytest.mark.parametrize(
    ("after_seq", "numbers"), [(0, [2, 3, 4]), (1, [2, 3, 4]), (2, [3, 4]), (3, [4]), (4, []), (9, [])]
)
async def test_a_reader_gets_what_follows_his_place(store, key, after_seq, numbers):
    """A chunk that his place lies in comes whole."""
    for appended in (piece(1, b"a", b"b"), piece(3, b"c"), piece(4, b"d", end=b"over")):
        await store.append(key, appended, LONG)
    chunks, end = await read_all(store, key, after_seq)
    assert ([number for number, _ in chunks], end) == (numbers, b"over")


async def test_nothing_is_kept_of_a_stream_that_nobody_copies(store, key):
    assert await store.read(key, 0) is None


async def test_a_stream_is_kept_before_its_first_event(store, key):
    await store.append(key, piece(1, head=b"head"), LONG)
    assert await store.read(key, 0) == Page(head=b"head")


async def test_sending_the_same_again_is_harmless(store, key):
    first, second = piece(1, b"a", b"b", head=b"head"), piece(3, b"c", end=b"over")
    for appended in (first, first, second, second, first):
        await store.append(key, appended, LONG)
    assert await read_all(store, key) == ([(2, b"ab"), (3, b"c")], b"over")


async def test_a_piece_that_is_partly_new_adds_what_is_new(store, key):
    """Who does not know whether the last one arrived may send it again with what came since."""
    await store.append(key, piece(1, b"a", b"b"), LONG)
    await store.append(key, piece(2, b"b", b"c"), LONG)
    assert await read_all(store, key) == ([(2, b"ab"), (3, b"bc")], b"")
    assert await read_all(store, key, 2) == ([(3, b"bc")], b"")


async def test_a_gap_is_refused_and_changes_nothing(store, key):
    assert await reason_of(store.append(key, piece(2, b"b"), LONG)) is Reason.EVENTS_LOST
    assert await store.read(key, 0) is None
    await store.append(key, piece(1, b"a"), LONG)
    for appended in (piece(3, b"c"), piece(3, end=b"over")):
        assert await reason_of(store.append(key, appended, LONG)) is Reason.EVENTS_LOST
    assert await read_all(store, key) == ([(1, b"a")], b"")


async def test_nothing_follows_an_end(store, key):
    await store.append(key, piece(1, b"a", end=b"over"), LONG)
    assert await reason_of(store.append(key, piece(2, b"b"), LONG)) is Reason.EVENTS_LOST
    assert await read_all(store, key) == ([(1, b"a")], b"over")


async def test_a_head_holds_until_it_is_said_anew(store, key):
    for appended in (piece(1, b"a", head=b"first"), piece(2, b"b"), piece(3, b"c", head=b"second")):
        await store.append(key, appended, LONG)
    assert (await store.read(key, 2)).head == b"second"


async def test_the_oldest_events_leave_a_stream_that_is_full(replicas, key):
    size = MAX_STREAM // 8
    for number in range(1, 13):
        await replicas[0].append(key, piece(number, bytes([number]) * size), LONG)
    kept, _ = await read_all(replicas[1], key, 5)
    assert kept == [(number, bytes([number]) * size) for number in range(6, 13)]
    assert await reason_of(replicas[1].read(key, 4)) is Reason.EVENTS_LOST
    assert await reason_of(replicas[1].read(key, 0)) is Reason.EVENTS_LOST


async def test_a_piece_that_no_stream_has_room_for_is_refused(store, key):
    await store.append(key, piece(1, b"a"), LONG)
    assert await reason_of(store.append(key, piece(2, b"x" * (MAX_STREAM + 1)), LONG)) is Reason.OVERLOADED
    await store.append(key, piece(2, b"x" * MAX_STREAM), LONG)
    assert [number for number, _ in (await read_all(store, key, 1))[0]] == [2]


async def test_a_long_stream_is_read_in_pages_and_ends_with_the_last(store, key):
    events = [bytes([number % 256]) * 10_000 for number in range(1, 101)]
    for number, event in enumerate(events, 1):
        await store.append(key, piece(number, event, end=b"over" if number == 100 else b""), LONG)
    first = await store.read(key, 0)
    assert first.has_more and first.end == b"" and 1 < len(first.chunks) < 100
    for place in (0, 37, 99):
        assert await read_all(store, key, place) == (list(enumerate(events[place:], place + 1)), b"over")


async def test_many_small_pieces_are_read_whole(store, key):
    for number in range(1, 2_001):
        await store.append(key, piece(number, b"x"), LONG)
    kept, _ = await read_all(store, key, 1_000)
    assert [number for number, _ in kept] == list(range(1_001, 2_001))


async def test_a_stream_is_kept_for_its_time_from_the_last_append(store, key):
    await store.append(key, piece(1, b"a"), 0.02)
    await store.append(key, piece(1, b"a"), LONG)
    other = next(keys)
    await store.append(other, piece(1, b"a"), 0.02)
    async with asyncio.timeout(20):
        while await store.read(other, 0) is not None:
            await asyncio.sleep(0.01)
    assert await store.read(key, 0) is not None
    await store.append(other, piece(1, b"anew"), LONG)
    assert await read_all(store, other) == ([(1, b"anew")], b"")


async def test_who_copies_at_the_same_time_from_two_replicas_leaves_one_stream(replicas, key):
    """As a batch that was given up and sent again elsewhere would."""
    for first in range(1, 60, 3):
        appended = piece(first, b"%03d" % first, b"%03d" % (first + 1), b"%03d" % (first + 2))
        await asyncio.gather(*(replica.append(key, appended, LONG) for replica in replicas))
    chunks, _ = await read_all(replicas[0], key)
    assert b"".join(events for _, events in chunks) == b"".join(b"%03d" % number for number in range(1, 61))


def test_no_choice_of_names_makes_two_streams_one():
    names = [("a", "bc"), ("ab", "c"), ("", "abc"), ("a\0", "bc"), ("a", "\0bc")]
    assert len({stream_key(*pair) for pair in names}) == len(names)
