"""The bounds of hints in memory."""

import pytest

from cache_svc.hints.memory import MemoryHints
from cache_svc.hints.store import Hint
from chassis.errors import Reason, RunestoneError
from chassis.testing import FakeClock

HINT = Hint(b"k", "me", 60.0)


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def hints(clock):
    return MemoryHints(clock, max_topics=2, max_hints=3)


async def is_refused(doing):
    with pytest.raises(RunestoneError) as caught:
        await doing
    return (caught.value.reason, caught.value.retry_after) == (Reason.OVERLOADED, 1.0)


async def test_one_topic_too_many_is_refused_to_who_tells_and_to_who_follows(hints):
    await hints.tell("a", HINT)
    await hints.tell("b", HINT)
    assert await is_refused(hints.tell("c", HINT))
    assert await is_refused(anext(hints.follow("c", 60)))
    await hints.tell("a", HINT)


async def test_a_topic_is_forgotten_when_nothing_holds_and_nobody_follows(hints, clock):
    letters = hints.follow("followed", 1_000)
    await anext(letters)
    await hints.tell("told", HINT)
    clock.advance(60)
    await hints.tell("c", HINT)
    assert await is_refused(hints.tell("d", HINT))
    await letters.aclose()
    await hints.tell("d", HINT)


async def test_a_slow_follower_takes_no_memory_and_hears_the_last_of_each_key(hints):
    letters = hints.follow("a", 60)
    await anext(letters)
    for number in range(100):
        await hints.tell("a", Hint(b"%d" % (number % 5), str(number), 60))
    assert [heard.sender for heard in await anext(letters)] == ["97", "98", "99"]
    await letters.aclose()


async def test_the_rest_of_its_time_is_told(hints, clock):
    await hints.tell("a", HINT)
    clock.advance(45)
    letters = hints.follow("a", 60)
    assert await anext(letters) == (Hint(b"k", "me", 15.0),)
    await letters.aclose()


async def test_what_was_over_before_it_could_be_heard_is_not_told(hints, clock):
    letters = hints.follow("a", 60)
    await anext(letters)
    await hints.tell("a", Hint(b"short", "me", 1))
    clock.advance(2)
    await hints.tell("a", HINT)
    assert await anext(letters) == (HINT,)
    await letters.aclose()
