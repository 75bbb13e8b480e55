"""What every place for hints promises, over all of them; two replicas where the store is shared."""

import asyncio
import itertools
from contextlib import aclosing, asynccontextmanager

import pytest

from cache_svc.hints.memory import MemoryHints
from cache_svc.hints.redis_hints import RedisHints
from cache_svc.hints.store import Hint
from chassis.clock import SystemClock
from chassis.errors import Reason, RunestoneError

PATIENT = 20.0  # seconds; more than any answer takes on a busy machine
LONG = 60.0
topics = (f"tests-{number}" for number in itertools.count())


@asynccontextmanager
async def reading(store):
    task = asyncio.create_task(store.read()) if isinstance(store, RedisHints) else None
    try:
        yield store
    finally:
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(params=["memory", "redis_pool", "cluster"])
def make_store(request):
    """What makes a replica: of one truth, the same memory or one Redis."""
    if request.param == "memory":
        one = MemoryHints(SystemClock())
        return lambda: one
    client = request.getfixturevalue(request.param)
    return lambda: RedisHints(client, client, MemoryHints(SystemClock()))


@pytest.fixture
async def replicas(make_store):
    async with reading(make_store()) as first, reading(make_store()) as second:
        yield first, second


@pytest.fixture
def topic():
    return next(topics)


def hint(key=b"k", sender="me", ttl=LONG):
    return Hint(key, sender, ttl)


def told(hints):
    return [(heard.key, heard.sender) for heard in hints]


async def until_heard(letters, key):
    """Every hint up to the one under `key`."""
    heard = []
    async with asyncio.timeout(PATIENT):
        while not heard or heard[-1].key != key:
            heard += await anext(letters)
    return heard


async def test_a_hint_reaches_who_follows_at_every_replica(replicas, topic):
    async with aclosing(replicas[0].follow(topic, LONG)) as one, aclosing(replicas[1].follow(topic, LONG)) as other:
        assert await anext(one) == await anext(other) == ()
        await replicas[0].tell(topic, hint())
        for letters in (one, other):
            (heard,) = await until_heard(letters, b"k")
            assert (heard.key, heard.sender) == (b"k", "me") and 0 < heard.ttl <= LONG


async def test_who_comes_late_first_hears_what_still_holds(replicas, make_store, topic):
    """A replica that starts after a hint was told knows it, too."""
    await replicas[0].tell(topic, hint(b"short", ttl=0.01))
    await replicas[0].tell(topic, hint(b"a", "one"))
    await replicas[1].tell(topic, hint(b"b", "two"))
    async with reading(make_store()) as late:
        async with aclosing(late.follow(topic, LONG)) as letters:
            heard = await until_heard(letters, b"b")
    assert told(heard)[-2:] == [(b"a", "one"), (b"b", "two")]
    await asyncio.sleep(0.02)
    async with aclosing(replicas[1].follow(topic, LONG)) as letters:
        assert b"short" not in [key for key, _ in told(await until_heard(letters, b"b"))]


async def test_a_hint_is_over_in_its_time(replicas, topic):
    await replicas[0].tell(topic, hint(b"short", ttl=0.03))
    await replicas[0].tell(topic, hint(b"long"))
    async with aclosing(replicas[1].follow(topic, LONG)) as letters:
        await until_heard(letters, b"long")
    await asyncio.sleep(0.03)
    async with aclosing(replicas[1].follow(topic, LONG)) as letters:
        assert told(await anext(letters)) == [(b"long", "me")]


async def test_a_later_hint_takes_the_place_of_the_earlier_under_its_key(replicas, topic):
    await replicas[0].tell(topic, hint(b"k", "first"))
    await replicas[0].tell(topic, hint(b"k", "second", ttl=5.0))
    await replicas[0].tell(topic, hint(b"end"))
    async with aclosing(replicas[1].follow(topic, LONG)) as letters:
        await until_heard(letters, b"end")
    async with aclosing(replicas[1].follow(topic, LONG)) as letters:
        (heard, _) = await anext(letters)
    assert heard.sender == "second" and heard.ttl <= 5.0


async def test_topics_do_not_hear_each_other(replicas, topic):
    async with aclosing(replicas[1].follow(topic, LONG)) as letters:
        await anext(letters)
        await replicas[0].tell(next(topics), hint(b"elsewhere"))
        await replicas[0].tell(topic, hint(b"here"))
        assert told(await until_heard(letters, b"here")) == [(b"here", "me")]


async def test_any_bytes_are_a_key(replicas, topic):
    key = bytes(range(256)) * 2
    await replicas[0].tell(topic, hint(key))
    async with aclosing(replicas[1].follow(topic, LONG)) as letters:
        assert (await until_heard(letters, key))[-1].key == key


async def test_a_follower_is_sent_away_after_its_time(replicas, topic):
    async with asyncio.timeout(PATIENT):
        assert [told(hints) async for hints in replicas[0].follow(topic, 0.01)] == [[]]


async def test_a_close_ends_every_follower_and_lets_none_begin(replicas, topic):
    letters = replicas[0].follow(topic, LONG)
    await anext(letters)
    waiting = asyncio.create_task(anext(letters, None))
    await asyncio.sleep(0)
    replicas[0].close()
    assert await asyncio.wait_for(waiting, PATIENT) is None
    with pytest.raises(RunestoneError) as caught:
        await anext(replicas[0].follow(topic, LONG))
    assert (caught.value.reason, caught.value.may_have_begun) == (Reason.UNAVAILABLE, False)
