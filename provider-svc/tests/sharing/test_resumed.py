"""Calls that are come back to, step by step, over upstream calls that the test plays itself."""

import asyncio
from functools import partial

import pytest

from provider_svc.flights import TOGETHER
from provider_svc.provider import Begun, Chunk

A = Chunk(b"data: a\n\n", (9,))
LONG, SHORT = 60.0, 0.01  # seconds


async def test_who_only_looks_on_is_never_told_to_settle_and_the_next_that_follows_is(tower):
    began = tower.hear("c", resume=LONG)
    await tower.settle()
    tower.upstreams[0].play(Begun(200), A)
    await tower.settle()
    watching = tower.attach("c", is_watching=True)
    await began.leave()
    tower.upstreams[0].play(None)
    await tower.until_over(watching)
    assert (watching.kinds[-1], watching.settles) == ("completed", False)
    for settles in (True, False):
        heard = tower.attach("c")
        await tower.until_over(heard)
        assert (heard.body, heard.settles) == (A.body, settles)


@pytest.mark.parametrize("is_left_first", [True, False])
async def test_who_ends_the_call_that_it_began_settles_it_and_nobody_who_follows_does(tower, is_left_first):
    """Leaving it and cancelling it arrive in either order: at a deadline each side sees to its own."""
    unread, following = tower.ask("c", resume=LONG), tower.attach("c")
    await tower.settle()
    tower.upstreams[0].play(Begun(200), A)
    await tower.settle()
    for step in (unread.leave, partial(tower.stop_call, "c"))[:: 1 if is_left_first else -1]:
        step()
    await tower.until_over(following)
    later = tower.attach("c")
    await tower.until_over(later)
    assert [(heard.reason, heard.settles) for heard in (following, later)] == [("CANCELLED", False)] * 2


async def test_who_ends_a_call_whose_last_events_it_has_not_read_yet_settles_it_all_the_same(tower):
    """Its client reads slowly, and the provider was done long ago."""
    unread = tower.ask("c", resume=LONG)
    await tower.settle()
    tower.upstreams[0].play(Begun(200), A, None)
    await tower.settle()
    unread.leave()
    tower.stop_call("c")
    later = tower.attach("c")
    await tower.until_over(later)
    assert (later.kinds[-1], later.settles) == ("completed", False)


async def test_a_call_whose_edge_died_long_before_it_was_cancelled_is_settled_by_who_follows(tower):
    began, following = tower.hear("c", resume=LONG), tower.attach("c")
    await tower.settle()
    tower.upstreams[0].play(Begun(200), A)
    await tower.settle()
    await began.leave()
    tower.clock.advance(TOGETHER + 1)
    tower.stop_call("c")
    await tower.until_over(following)
    assert (following.reason, following.settles) == ("CANCELLED", True)


async def test_who_comes_back_to_a_full_ring_having_seen_all_of_it_lets_reading_go_on(open_tower):
    """There is nothing for him to read that would make room."""
    tower = open_tower(ring=18, window=100)
    await leave_early(tower)
    tower.upstreams[0].play(A, A, A, None)
    await tower.settle()
    read = tower.count_events("c")
    assert read == 2
    heard = tower.attach("c", after_seq=read)
    await tower.until_over(heard)
    assert heard.body == A.body * 2
    assert heard.kinds[-1] == "completed"


async def leave_early(tower):
    began = tower.hear("c", resume=LONG, pause=LONG)
    await tower.settle()
    tower.upstreams[0].play(Begun(200), A)
    await tower.settle()
    await began.leave()


async def test_an_answer_that_is_whole_and_paused_is_told_of_no_longer_than_its_window(tower):
    unread = tower.ask("c", pause=SHORT)
    await tower.settle()
    tower.upstreams[0].play(Begun(200), A, None)
    await tower.settle()
    tower.pause("c")
    heard = tower.listen(unread)
    await tower.until_over(heard)
    assert heard.reason == "DEADLINE_EXCEEDED"
    assert heard.events[-1].failed.last_seq == heard.body.count(b"\n\n")


async def test_a_call_that_was_ended_by_itself_has_no_window_where_others_go_on(tower):
    """Its last subscription leaves a flight that is no longer its own."""
    gone, other = tower.hear("gone", resume=LONG), tower.hear("other")
    await tower.settle()
    tower.stop_call("gone")
    await tower.until_over(gone)
    assert (gone.reason, tower.flights.left) == ("CANCELLED", 0)
    tower.upstreams[0].play(Begun(200), A, None)
    await tower.until_over(other)
    assert other.kinds[-1] == "completed"


async def test_stopping_with_nobody_there_closes_the_socket_and_leaves_no_timer(open_tower):
    tower = open_tower()
    await leave_early(tower)
    tower.pause("c")
    assert tower.flights.left == 1
    assert find_timers()
    await tower.flights.stop(0)
    assert tower.upstreams[0].is_closed
    assert tower.flights.left == 0
    heard = tower.attach("c")
    await tower.until_over(heard)
    assert heard.reason == "UNAVAILABLE"
    assert not find_timers()


def find_timers():
    """Those of windows that would still go off."""
    timers = asyncio.get_running_loop()._scheduled
    return [timer for timer in timers if not timer.cancelled() and "Windows._end" in repr(timer)]
