"""Watches end by themselves, are bounded in number, and hold up no stop."""

import pytest

from cache_svc.changes import Changes, Mark
from cache_svc.memory_log import MemoryLog
from cache_svc.store import Selection
from cache_svc.watches import Watches
from chassis.errors import Reason, RunestoneError
from chassis.testing import FakeClock

CHANGE = Selection(tag="red")


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def log():
    return MemoryLog("now", heartbeat=0.001)


async def test_a_watch_ends_with_the_first_message_after_its_time(clock, log):
    letters = Watches(log, clock, span=lambda: 45.0).open(None)
    await anext(letters)
    clock.advance(44.5)
    await anext(letters)
    clock.advance(0.5)
    with pytest.raises(StopAsyncIteration):
        await anext(letters)


async def test_each_watch_has_a_time_of_its_own(clock, log):
    spans = iter([10.0, 20.0])
    watches = Watches(log, clock, span=lambda: next(spans))
    first, second = watches.open(None), watches.open(None)
    await anext(first)
    await anext(second)
    clock.advance(15)
    assert [letter async for letter in first] == []
    assert await anext(second) == Changes(Mark("now", 0))
    await second.aclose()


async def test_a_watch_resumes_from_its_place(clock, log):
    for _ in range(2):
        await log.add(CHANGE)
    letters = Watches(log, clock, span=lambda: 45.0).open(Mark("now", 1))
    assert await anext(letters) == Changes(Mark("now", 2), (CHANGE,))
    await letters.aclose()


async def test_no_more_watch_than_may_and_a_place_is_free_again_when_one_leaves(clock, log):
    watches = Watches(log, clock, span=lambda: 45.0, max_watchers=2)
    running = [watches.open(None) for _ in range(2)]
    for letters in running:
        await anext(letters)
    assert watches.running == 2
    with pytest.raises(RunestoneError) as caught:
        await anext(watches.open(None))
    assert caught.value.reason is Reason.OVERLOADED
    await running[0].aclose()
    assert watches.running == 1
    late = watches.open(None)
    await anext(late)
    await late.aclose()
    await running[1].aclose()


async def test_a_stop_ends_watches_and_lets_none_begin(clock, log):
    watches = Watches(log, clock, span=lambda: 45.0)
    letters = watches.open(None)
    await anext(letters)
    await watches.close(10.0)
    assert [letter async for letter in letters] == []
    with pytest.raises(RunestoneError) as caught:
        await anext(watches.open(None))
    assert (caught.value.reason, caught.value.may_have_begun) == (Reason.UNAVAILABLE, False)
