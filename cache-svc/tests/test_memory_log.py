"""The log in memory: a follower who drops what he is told to, and everything on a reset, never misses a change."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_svc.changes import Changes, Mark
from cache_svc.history import LETTER
from cache_svc.memory_log import MemoryLog
from cache_svc.store import Selection

KEPT = 5


def change(number):
    return Selection(tag=str(number))


async def logged(count, **options):
    log = MemoryLog("now", **options)
    for number in range(1, count + 1):
        await log.add(change(number))
    return log


async def letter(log, after):
    letters = log.follow(after)
    first = await anext(letters)
    await letters.aclose()
    return first


async def test_every_change_has_a_number_of_its_own():
    log = MemoryLog("now")
    assert log.mark == Mark("now", 0)
    assert [await log.add(change(number)) for number in (1, 2)] == [Mark("now", 1), Mark("now", 2)]
    assert log.mark == Mark("now", 2)


async def test_who_keeps_nothing_is_told_where_the_log_is_and_to_drop_nothing():
    assert await letter(await logged(3), None) == Changes(Mark("now", 3))


async def test_a_follower_resumes_where_he_was():
    log = await logged(3)
    assert await letter(log, Mark("now", 1)) == Changes(Mark("now", 3), (change(2), change(3)))
    assert await letter(log, Mark("now", 3)) == Changes(Mark("now", 3))


@pytest.mark.parametrize(
    "after",
    [Mark("now", 2), Mark("before", 8), Mark("", 0), Mark("now", 9)],
    ids=["the log moved past", "another process", "nowhere", "ahead of the log"],
)
async def test_a_place_that_the_log_does_not_reach_back_to_is_a_reset(after):
    log = await logged(8, kept=KEPT)
    assert await letter(log, after) == Changes(Mark("now", 8), is_reset=True)


async def test_the_oldest_change_that_is_kept_is_told():
    log = await logged(8, kept=KEPT)
    told = await letter(log, Mark("now", 3))
    assert (told.dropped, told.is_reset) == (tuple(map(change, range(4, 9))), False)


async def test_much_is_told_in_letters_of_bounded_size():
    log = await logged(2 * LETTER + 5)
    letters = log.follow(Mark("now", 0))
    told = [await anext(letters) for _ in range(3)]
    assert [len(each.dropped) for each in told] == [LETTER, LETTER, 5]
    assert sum((each.dropped for each in told), ()) == tuple(map(change, range(1, 2 * LETTER + 6)))
    assert told[-1].mark == log.mark
    await letters.aclose()


async def test_a_follower_who_waits_is_woken_by_a_change():
    log = await logged(0, heartbeat=30)
    letters = log.follow(None)
    await anext(letters)
    waiting = asyncio.ensure_future(anext(letters))
    await asyncio.sleep(0)
    assert not waiting.done()
    await log.add(change(1))
    assert await waiting == Changes(Mark("now", 1), (change(1),))
    await letters.aclose()


async def test_a_follower_hears_that_nothing_changed():
    log = await logged(1, heartbeat=0.001)
    letters = log.follow(None)
    assert [await anext(letters) for _ in range(3)] == [Changes(Mark("now", 1))] * 3
    await letters.aclose()


async def test_a_slow_follower_is_reset_and_takes_no_memory():
    log = await logged(0, kept=KEPT)
    letters = log.follow(None)
    await anext(letters)
    for number in range(1000):
        await log.add(change(number))
    assert len(log._history._changes) == KEPT
    assert await anext(letters) == Changes(Mark("now", 1000), is_reset=True)
    await letters.aclose()


@given(st.lists(st.one_of(st.just("change"), st.just("read"), st.just("resume"), st.just("come late")), max_size=60))
def test_a_follower_knows_of_every_change_up_to_his_mark(steps):
    """`known` is what a reader would have dropped: each change by its number, and all that were on a reset."""

    async def walk():
        log = MemoryLog("now", kept=KEPT, heartbeat=0.0001)
        known, mark, letters, count = set(), log.mark, log.follow(log.mark), 0
        for step in steps:
            if step == "change":
                count += 1
                await log.add(change(count))
            elif step == "read":
                told = await anext(letters)
                known |= set(range(1, told.mark.version + 1)) if told.is_reset else {int(s.tag) for s in told.dropped}
                mark = told.mark
                assert known == set(range(1, mark.version + 1))
            else:
                await letters.aclose()
                letters = log.follow(mark if step == "resume" else Mark("earlier", mark.version))
        await letters.aclose()

    asyncio.run(walk())
