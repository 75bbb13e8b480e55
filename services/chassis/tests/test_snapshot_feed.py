"""A snapshot comes into force for all of a process at once, or for nothing in it; calls keep the one they began with."""

import asyncio

import pytest

from chassis.config import Settings
from chassis.context import NO_CALL, CallContext, bind
from chassis.errors import Reason, RunestoneError
from chassis.snapshots import Refusal, Snapshot, SnapshotFeed
from chassis.snapshots.feed import KEPT, KEPT_FOR, MOST_KEPT
from chassis.testing import FakeClock


def snapshot(version: str) -> Snapshot:
    return Snapshot(version, Settings())


class Follower:
    """Makes `version!` of a snapshot; refuses those in `refused`."""

    def __init__(self, feed: SnapshotFeed, *, keeps_past: bool = True) -> None:
        self.refused: set[str] = set()
        self.dropped: list[str] = []
        self.editions = feed.follow(self.make, keeps_past=keeps_past, drop=self.dropped.append)

    def make(self, snapshot: Snapshot) -> str:
        if snapshot.version in self.refused:
            raise ValueError("the disk is on fire")
        return f"{snapshot.version}!"

    def of(self, version: str) -> str:
        bind(CallContext(version=version))
        try:
            return self.editions.of_call()
        finally:
            bind(NO_CALL)


def test_nothing_is_in_force_before_all_have_made_it_ready():
    feed = SnapshotFeed(snapshot("1"))
    follower = Follower(feed)
    feed.prepare(snapshot("2"))
    assert (feed.current.version, follower.editions.current) == ("1", "1!")
    feed.commit()
    assert (feed.current.version, follower.editions.current) == ("2", "2!")


def test_a_snapshot_that_one_follower_refuses_is_ready_for_none():
    feed = SnapshotFeed(snapshot("1"))
    willing, refusing = Follower(feed), Follower(feed)
    refusing.refused.add("2")
    with pytest.raises(Refusal, match="ValueError: the disk is on fire"):
        feed.prepare(snapshot("2"))
    assert (feed.ready, willing.dropped, willing.editions.current) == (None, ["2!"], "1!")
    assert not feed.knows("2")


def test_what_is_withdrawn_leaves_no_trace():
    feed = SnapshotFeed(snapshot("1"))
    follower = Follower(feed)
    feed.prepare(snapshot("2"))
    feed.withdraw()
    feed.withdraw()
    assert (feed.ready, follower.dropped, feed.knows("2")) == (None, ["2!"], False)


def test_another_candidate_takes_the_place_of_the_first():
    feed = SnapshotFeed(snapshot("1"))
    follower = Follower(feed)
    feed.prepare(snapshot("2"))
    feed.prepare(snapshot("3"))
    feed.commit()
    assert (follower.editions.current, follower.dropped) == ("3!", ["2!"])


def test_a_call_gets_the_edition_of_its_version():
    feed = SnapshotFeed(snapshot("1"))
    follower = Follower(feed)
    feed.publish(snapshot("2"))
    feed.prepare(snapshot("3"))
    assert [follower.of(version) for version in ("1", "2", "3", "")] == ["1!", "2!", "3!", "2!"]


def test_who_keeps_no_past_has_what_is_in_force_only():
    feed = SnapshotFeed(snapshot("1"))
    follower = Follower(feed, keeps_past=False)
    feed.publish(snapshot("2"))
    assert follower.dropped == ["1!"]


def test_going_back_to_a_former_snapshot_is_a_change_like_any_other():
    feed = SnapshotFeed(snapshot("1"))
    keeping, forgetful = Follower(feed), Follower(feed, keeps_past=False)
    feed.publish(snapshot("2"))
    feed.prepare(snapshot("1"))
    feed.withdraw()
    assert (keeping.of("1"), keeping.dropped, forgetful.dropped) == ("1!", [], ["1!", "1!"])
    feed.publish(snapshot("1"))
    assert (keeping.editions.current, forgetful.editions.current) == ("1!", "1!")


def test_the_last_three_are_kept_whatever_their_age():
    clock = FakeClock()
    feed = SnapshotFeed(snapshot("0"), clock=clock)
    follower = Follower(feed)
    for number in range(1, 6):
        clock.advance(2 * KEPT_FOR)
        feed.publish(snapshot(str(number)))
    assert follower.dropped == [f"{number}!" for number in range(6 - KEPT)]


def test_many_changes_in_a_row_cut_no_call_off():
    """A client may take a minute to send its body; the configuration changes meanwhile as often as it likes, up to a bound."""
    clock = FakeClock()
    feed = SnapshotFeed(snapshot("0"), clock=clock)
    follower = Follower(feed)
    for number in range(1, MOST_KEPT):
        clock.advance(KEPT_FOR / MOST_KEPT / 2)
        feed.publish(snapshot(str(number)))
    assert (follower.dropped, follower.of("0")) == ([], "0!")
    feed.publish(snapshot("one too many"))
    assert follower.dropped == ["0!"]


def test_a_late_follower_takes_part_in_what_is_under_way():
    feed = SnapshotFeed(snapshot("1"))
    feed.prepare(snapshot("2"))
    follower = Follower(feed)
    feed.commit()
    assert follower.editions.current == "2!"


def test_a_process_that_starts_anew_serves_what_calls_still_carry():
    follower = Follower(SnapshotFeed(snapshot("3"), past=[snapshot("1"), snapshot("2")]))
    assert [follower.of(version) for version in ("1", "2", "3")] == ["1!", "2!", "3!"]


def test_watchers_see_a_snapshot_when_it_is_in_force_for_all():
    feed, seen = SnapshotFeed(snapshot("1")), []
    follower = Follower(feed)
    feed.watch(lambda new: seen.append((new.version, follower.editions.current)))
    feed.publish(snapshot("1"))
    feed.publish(snapshot("2"))
    assert seen == [("2", "2!")]


async def test_a_version_that_comes_soon_is_waited_for():
    feed = SnapshotFeed(snapshot("1"))
    waiting = asyncio.create_task(feed.wait_for("3"))
    await asyncio.sleep(0)
    feed.publish(snapshot("2"))
    await asyncio.sleep(0)
    assert not waiting.done()
    feed.prepare(snapshot("3"))
    await waiting


async def test_a_version_that_does_not_come_refuses_the_call_before_it_began(monkeypatch):
    monkeypatch.setattr("chassis.snapshots.feed.PATIENCE", 0.01)
    with pytest.raises(RunestoneError) as raised:
        await SnapshotFeed(snapshot("1")).wait_for("ghost")
    assert (raised.value.reason, raised.value.may_have_begun) == (Reason.UNAVAILABLE, False)


def test_who_reads_a_file_of_its_own_serves_what_it_does_not_know_under_what_is_in_force():
    """There is no publisher that would have made it known: everybody reads the changed file at its own time."""
    feed = SnapshotFeed(snapshot("aaaaaaaa1"), of_its_own=True)
    follower = Follower(feed)
    feed.publish(snapshot("bbbbbbbb1"))
    assert feed.knows("cccccccc1")
    assert follower.of("cccccccc1") == "bbbbbbbb1!"
    assert follower.of("aaaaaaaa1") == "aaaaaaaa1!"


def test_the_same_text_is_served_under_the_same_text_whatever_secrets_each_has():
    feed = SnapshotFeed(snapshot("aaaaaaaa1"), of_its_own=True)
    follower = Follower(feed)
    feed.publish(snapshot("aaaaaaaa2"))
    feed.publish(snapshot("bbbbbbbb1"))
    assert follower.of("aaaaaaaa9") == "aaaaaaaa2!"
    assert follower.of("bbbbbbbb9") == "bbbbbbbb1!"


@pytest.mark.parametrize("reason", [Reason.MODEL_NOT_FOUND, Reason.NOT_FOUND])
def test_what_is_lacking_under_another_version_may_be_known_elsewhere(reason):
    follower = Follower(SnapshotFeed(snapshot("aaaaaaaa1"), of_its_own=True))
    with pytest.raises(RunestoneError) as raised:
        ask_in_vain(follower, "bbbbbbbb1", reason)
    assert (raised.value.reason, raised.value.may_have_begun) == (Reason.UNAVAILABLE, False)


@pytest.mark.parametrize(
    ("version", "reason"),
    [
        ("aaaaaaaa1", Reason.NOT_FOUND),
        ("aaaaaaaa2", Reason.NOT_FOUND),
        ("", Reason.NOT_FOUND),
        ("bbbbbbbb1", Reason.OVERLOADED),
    ],
)
def test_what_is_lacking_under_the_calls_own_version_is_nowhere(version, reason):
    follower = Follower(SnapshotFeed(snapshot("aaaaaaaa1"), of_its_own=True))
    with pytest.raises(RunestoneError) as raised:
        ask_in_vain(follower, version, reason)
    assert raised.value.reason is reason


def ask_in_vain(follower: Follower, version: str, reason: Reason) -> None:
    bind(CallContext(version=version))
    try:
        with follower.editions.for_call():
            raise RunestoneError(reason, "not here")
    finally:
        bind(NO_CALL)
