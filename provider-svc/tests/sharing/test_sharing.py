"""Identical calls in flight: one upstream call, whoever comes, leaves, pauses, falls behind or fails."""

import pytest

from chassis.errors import Reason, RunestoneError
from provider_svc.provider import Begun, Chunk
from runestone.common.v1.usage_pb2 import Usage

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
A, B, C = (Chunk(letter * 10, (10,)) for letter in (b"a", b"b", b"c"))
OVERLOADED = RunestoneError(Reason.PROVIDER_OVERLOADED, "busy")


async def test_identical_calls_make_one_upstream_call_and_only_its_first_is_not_coalesced(tower):
    first, *others = [tower.hear(f"c{number}") for number in range(3)]
    await tower.settle()
    assert tower.flights.count_coalesced() == 2
    (upstream,) = tower.upstreams
    upstream.play(Begun(200, "up-1"), A, B)
    await tower.settle()
    upstream.meter.usage = Usage(input_tokens=3)
    upstream.play(None)
    await tower.until_over(first, *others)
    assert {one.body for one in (first, *others)} == {A.body + B.body}
    assert (first.coalesced, [one.coalesced for one in others]) == ([False], [[True], [True]])
    assert {one.events[-1].completed.usage.input_tokens for one in (first, *others)} == {3}
    assert tower.metric("runestone_upstream_coalesced_total") == 2


@pytest.mark.parametrize(("key", "stream"), [(OTHER_KEY, True), (KEY, False)], ids=["another question", "another form"])
async def test_what_differs_never_meets(tower, key, stream):
    heard = [tower.hear("a"), tower.hear("b", key, stream=stream)]
    await tower.settle()
    tower.upstreams[0].play(Begun(200), A, None)
    tower.upstreams[1].play(Begun(200), B, None)
    await tower.until_over(*heard)
    assert [one.body for one in heard] == [A.body, B.body]
    assert [one.coalesced for one in heard] == [[False], [False]]


async def test_a_late_joiner_reads_what_came_before_it_first(tower):
    early = tower.hear("early")
    await tower.settle()
    tower.upstreams[0].play(Begun(200), A, B)
    await tower.settle()
    late = tower.hear("late")
    await tower.settle()
    assert late.body == A.body + B.body
    tower.upstreams[0].play(C, None)
    await tower.until_over(early, late)
    assert late.body == early.body
    assert late.events[1].data.first_seq == 1


@pytest.mark.parametrize("played", [[], [Begun(200), A]], ids=["before the first event", "mid-stream"])
async def test_a_leader_that_leaves_ends_nothing_for_its_followers(tower, played):
    leader, follower = tower.hear("leader"), tower.hear("follower")
    await tower.settle()
    tower.upstreams[0].play(*played)
    await tower.settle()
    await leader.leave()
    with pytest.raises(RunestoneError):
        tower.flights.find("leader", "t")
    joiner = tower.hear("joiner")
    tower.upstreams[0].play(*([] if played else [Begun(200), A]), B, None)
    await tower.until_over(follower, joiner)
    assert follower.body == joiner.body == A.body + B.body
    assert follower.kinds[-1] == "completed"
    assert len(tower.upstreams) == 1


@pytest.mark.parametrize(("leaving", "keepers"), [(0, [False] * 3), (1, [True, False]), (2, [True])])
async def test_the_answer_falls_to_one_who_remains_to_be_kept(tower, leaving, keepers):
    """Who began the call keeps it and is told nothing; when he has gone, one of the others is, and one alone."""
    heard = [tower.hear(f"c{number}") for number in range(3)]
    await tower.settle()
    tower.upstreams[0].play(Begun(200), A)
    await tower.settle()
    for one in heard[:leaving]:
        await one.leave()
    tower.upstreams[0].play(None)
    late = tower.hear("late")
    await tower.until_over(*heard[leaving:], late)
    assert [one.events[-1].completed.keeper for one in heard[leaving:]] == keepers
    assert not late.events[-1].completed.keeper


@pytest.mark.parametrize("played", [[], [Begun(200), A]], ids=["before the first event", "mid-stream"])
async def test_the_last_one_that_leaves_closes_the_socket(tower, played):
    heard = [tower.hear(f"c{number}") for number in range(3)]
    await tower.settle()
    tower.upstreams[0].play(*played)
    await tower.settle()
    for one in heard:
        assert not tower.upstreams[0].is_closed
        await one.leave()
    await tower.settle()
    assert tower.upstreams[0].is_closed
    assert tower.flights.running == 0
    for number in range(3):
        with pytest.raises(RunestoneError):
            tower.flights.find(f"c{number}", "t")


async def test_a_flight_that_was_left_is_not_joined_while_it_closes(tower):
    left = tower.ask("left")
    await tower.settle()
    left.leave()
    joiner = tower.hear("joiner")
    await tower.settle()
    tower.upstreams[1].play(Begun(200), A, None)
    await tower.until_over(joiner)
    assert joiner.coalesced == [False]


async def test_a_whole_answer_is_joined_within_the_grace_and_not_after(tower):
    first = tower.hear("first")
    await tower.settle()
    tower.upstreams[0].play(Begun(200), A, None)
    await tower.until_over(first)
    tower.clock.advance(1.9)
    second = tower.hear("second")
    await tower.until_over(second)
    assert (second.body, second.coalesced) == (A.body, [True])
    tower.clock.advance(0.2)
    third = tower.ask("third")
    assert len(tower.upstreams) == 2
    third.leave()


async def test_a_failure_is_never_joined(tower):
    first = tower.hear("first")
    await tower.settle()
    tower.upstreams[0].play(Begun(200), A, RunestoneError(Reason.PROVIDER_STREAM_CUT, "cut"))
    await tower.until_over(first)
    second = tower.ask("second")
    assert len(tower.upstreams) == 2
    second.leave()


async def test_a_flight_whose_beginning_is_gone_is_not_joined_and_the_new_one_is(open_tower):
    tower = open_tower(ring=15, window=5)
    first = tower.hear("first")
    await tower.settle()
    tower.upstreams[0].play(Begun(200), A, B, C)
    await tower.settle()
    second, third = tower.hear("second"), tower.hear("third")
    await tower.settle()
    tower.upstreams[0].play(None)
    tower.upstreams[1].play(Begun(200), A, B, None)
    await tower.until_over(first, second, third)
    assert [one.coalesced for one in (first, second, third)] == [[False], [False], [True]]
    assert second.body == third.body == A.body + B.body


@pytest.mark.parametrize(
    "error",
    [
        RunestoneError(Reason.PROVIDER_REFUSED, "no"),
        RunestoneError(Reason.PROVIDER_CREDENTIALS_REFUSED, "no"),
        RunestoneError(Reason.PROVIDER_RATE_LIMITED, "slowly"),
        RunestoneError(Reason.PROVIDER_OVERLOADED, "later", retry_after=5.0),
        KeyError("a bug"),
    ],
)
async def test_all_who_share_read_the_failure(tower, error):
    heard = [tower.hear(name) for name in ("leader", "follower")]
    await tower.settle()
    tower.upstreams[0].play(error)
    await tower.until_over(*heard)
    assert [one.kinds for one in heard] == [["failed"], ["failed"]]
    assert len(tower.upstreams) == 1


async def test_what_failed_behind_its_first_event_is_not_tried_again(tower):
    heard = [tower.hear(name) for name in ("leader", "follower")]
    await tower.settle()
    tower.upstreams[0].play(Begun(200), A, OVERLOADED)
    await tower.until_over(*heard)
    assert [(one.kinds[-1], one.events[-1].failed.last_seq) for one in heard] == [("failed", 1)] * 2
    assert len(tower.upstreams) == 1


async def test_a_followers_span_links_to_the_leaders(tower):
    heard = [tower.hear("leader")]
    await tower.settle()
    heard.append(tower.hear("follower"))
    leading, following = tower.tracing.spans
    assert (leading.name, following.name) == ("chat m", "follow")
    assert following.links == [leading.trace.span_id]
    tower.upstreams[0].play(None)
    await tower.until_over(*heard)


async def test_a_deadline_is_its_callers_own_and_the_flight_lives_as_long_as_anybody_waits(tower):
    leader, patient = tower.hear("leader", seconds=0.01), tower.hear("patient")
    hasty = tower.hear("hasty", seconds=0.02)
    await tower.settle()
    tower.upstreams[0].play(Begun(200), A)
    await tower.until_over(leader, hasty)
    assert (leader.reason, hasty.reason) == ("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED")
    assert leader.events[-1].failed.last_seq == 1
    assert not tower.upstreams[0].is_closed
    tower.upstreams[0].play(B, None)
    await tower.until_over(patient)
    assert patient.body == A.body + B.body


async def test_when_the_last_deadline_passes_the_flight_is_over(tower):
    heard = [tower.hear("a", seconds=0.01), tower.hear("b", seconds=0.02)]
    await tower.until_over(*heard)
    await tower.settle()
    assert [one.reason for one in heard] == ["DEADLINE_EXCEEDED"] * 2
    assert tower.upstreams[0].is_closed


async def test_cancelling_one_ends_it_alone_and_cancelling_the_last_closes_the_socket(tower):
    heard = [tower.hear("a"), tower.hear("b")]
    await tower.settle()
    tower.stop_call("a")
    await tower.until_over(heard[0])
    assert heard[0].reason == "CANCELLED"
    assert not tower.upstreams[0].is_closed
    tower.stop_call("b")
    joiner = tower.hear("joiner")
    await tower.until_over(heard[1])
    assert heard[1].reason == "CANCELLED"
    assert tower.upstreams[0].is_closed
    tower.upstreams[1].play(None)
    await tower.until_over(joiner)
    assert joiner.kinds == ["completed"]


async def test_pausing_one_holds_nobody_else_up_and_loses_nothing(tower):
    paused, other = tower.hear("paused"), tower.hear("other")
    await tower.settle()
    tower.pause("paused")
    tower.upstreams[0].play(Begun(200), A, B, None)
    await tower.until_over(other)
    assert other.body == A.body + B.body
    await tower.settle()
    assert paused.events == []
    tower.pause("paused", paused=False)
    await tower.until_over(paused)
    assert paused.body == other.body


async def test_nothing_is_read_while_all_who_share_are_paused(tower):
    heard = [tower.hear(name) for name in ("a", "b")]
    await tower.settle()
    for name in ("a", "b"):
        tower.pause(name)
    tower.upstreams[0].play(Begun(200), A, None)
    await tower.settle()
    assert tower.count_events("a") == 0
    tower.pause("a", paused=False)
    await tower.until_over(heard[0])
    assert heard[0].body == A.body
    tower.pause("b", paused=False)
    await tower.until_over(heard[1])


async def test_a_paused_one_that_remains_alone_stops_the_reading(tower):
    paused, other = tower.hear("paused"), tower.hear("other")
    await tower.settle()
    tower.pause("paused")
    await other.leave()
    tower.upstreams[0].play(Begun(200), A, B)
    await tower.settle()
    assert tower.count_events("paused") == 0
    await paused.leave()


async def test_a_paused_one_that_leaves_leaves_no_pause_behind(tower):
    paused, other = tower.hear("paused"), tower.hear("other")
    await tower.settle()
    tower.pause("paused")
    await paused.leave()
    tower.pause("other")
    tower.upstreams[0].play(Begun(200), A)
    await tower.settle()
    assert tower.count_events("other") == 0
    tower.pause("other", paused=False)
    tower.upstreams[0].play(None)
    await tower.until_over(other)
    assert other.body == A.body


async def test_a_slow_follower_holds_nobody_up_and_hears_that_events_were_lost(open_tower):
    tower = open_tower(ring=20, window=10)
    slow, fast = tower.ask("slow"), tower.hear("fast")
    await tower.settle()
    tower.upstreams[0].play(Begun(200), A, B, C, A, None)
    await tower.until_over(fast)
    assert fast.body == A.body + B.body + C.body + A.body
    heard = tower.listen(slow)
    await tower.until_over(heard)
    assert (heard.kinds, heard.reason) == (["accepted", "failed"], "EVENTS_LOST")


async def test_a_flight_that_nobody_keeps_up_with_is_not_read_on(open_tower):
    tower = open_tower(ring=100, window=10)
    slow = [tower.ask("a"), tower.ask("b")]
    await tower.settle()
    tower.upstreams[0].play(Begun(200), A, B, C, A)
    await tower.settle()
    assert tower.count_events("a") == 2
    await anext(slow[0])
    await tower.settle()
    assert tower.count_events("a") == 4
    for one in slow:
        one.leave()


async def test_a_follower_is_attached_to_by_its_own_name(tower):
    leader, follower = tower.hear("leader", tenant="t"), tower.hear("follower", tenant="u")
    await tower.settle()
    tower.upstreams[0].play(Begun(200), A)
    await tower.settle()
    for name, stranger in (("leader", "u"), ("follower", "t")):
        with pytest.raises(RunestoneError) as error:
            tower.flights.find(name, stranger)
        assert error.value.reason is Reason.NOT_FOUND
    attached = tower.attach("follower", "u")
    await leader.leave()
    await follower.leave()
    tower.upstreams[0].play(B, None)
    await tower.until_over(attached)
    assert (attached.body, attached.coalesced) == (A.body + B.body, [True])
    again = tower.attach("follower", "u", 1)
    await tower.until_over(again)
    assert again.body == B.body


async def test_a_followers_name_cannot_be_taken_while_it_follows(tower):
    heard = [tower.hear(name) for name in ("leader", "follower")]
    with pytest.raises(RunestoneError) as error:
        tower.ask("follower")
    assert error.value.reason is Reason.CALL_EXISTS
    await tower.settle()
    tower.upstreams[0].play(None)
    await tower.until_over(*heard)


async def test_those_who_share_take_no_place_of_an_upstream_call(open_tower):
    tower = open_tower(max_running=1)
    heard = [tower.hear(f"c{number}") for number in range(5)]
    with pytest.raises(RunestoneError) as error:
        tower.ask("d", OTHER_KEY)
    assert error.value.reason is Reason.OVERLOADED
    await tower.settle()
    tower.upstreams[0].play(Begun(200), A, None)
    await tower.until_over(*heard)
    assert [one.kinds[-1] for one in heard] == ["completed"] * 5


async def test_those_who_share_are_bounded_for_each_flight_and_in_all(open_tower):
    tower = open_tower(max_calls=2, max_coalesced=2)
    heard = [tower.ask(f"c{number}") for number in range(4)]
    assert len(tower.upstreams) == 2
    again = tower.ask("c5", OTHER_KEY)
    with pytest.raises(RunestoneError) as error:
        tower.ask("c6", OTHER_KEY)
    assert error.value.reason is Reason.OVERLOADED
    heard[1].leave()
    heard.append(tower.ask("c7", OTHER_KEY))
    for one in (*heard, again):
        one.leave()
    await tower.settle()


async def test_a_thousand_followers_hear_the_same(tower):
    heard = [tower.hear(f"c{number}") for number in range(1_001)]
    await tower.settle()
    tower.upstreams[0].play(Begun(200), *[Chunk(b"%04d" % number, (4,)) for number in range(50)], None)
    await tower.until_over(*heard)
    assert {one.body for one in heard} == {b"".join(b"%04d" % number for number in range(50))}
    assert {one.kinds[-1] for one in heard} == {"completed"}
    assert sum(not one.coalesced[0] for one in heard) == 1
    assert len(tower.upstreams) == 1


async def test_stopping_the_service_tells_all_who_share(tower):
    heard = [tower.hear(name) for name in ("a", "b")]
    await tower.settle()
    await tower.flights.stop(0)
    await tower.until_over(*heard)
    assert [one.reason for one in heard] == ["UNAVAILABLE"] * 2
    assert len(tower.upstreams) == 1
