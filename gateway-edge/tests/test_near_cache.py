"""Copies of answers: bounded, and never given once they may be wrong."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import Reason, RunestoneError
from chassis.testing import FakeClock
from gateway_edge.caching.near import FORMS, OVERHEAD, NearCache
from gateway_edge.caching.watching import Watchers
from runestone.cache.v1.cache_pb2 import Answer, Labels, Mark, Selection, WatchRequest, WatchResponse

KEYS = [bytes([number]) * 32 for number in range(6)]


def at(version: int, epoch: str = "e") -> Mark:
    return Mark(epoch=epoch, version=version)


NOW = 1_800_000_000  # where a `FakeClock` begins


class JumpingClock(FakeClock):
    """One that dates wrongly by `jump` seconds, and measures rightly."""

    jump = 0.0

    def time(self) -> float:
        return super().time() + self.jump


def answer(text: str = "x", **labels: Any) -> Answer:
    answer = Answer(body=text.encode(), content_type="application/json", labels=Labels(**labels))
    answer.stored_at.FromSeconds(NOW)
    answer.fresh_for.FromSeconds(40)
    answer.stale_for.FromSeconds(20)
    return answer


@pytest.fixture
def near() -> NearCache:
    near = NearCache(1 << 20, FakeClock(), longest_call=600)
    near.begin(at(5), before="")
    near.is_live = True
    return near


def test_a_copy_is_found_while_everything_is_heard(near):
    near.keep(KEYS[0], answer(), at(5))
    assert near.find(KEYS[0]) is not None and near.find(KEYS[1]) is None
    near.is_live = False
    assert near.find(KEYS[0]) is None
    near.is_live = True
    assert near.find(KEYS[0]) is not None


def test_what_was_read_before_the_last_change_that_was_heard_is_not_kept(near):
    near.hear(at(6), [])
    near.keep(KEYS[0], answer(), at(5))
    assert near.find(KEYS[0]) is None
    near.keep(KEYS[0], answer(), at(6))
    assert near.find(KEYS[0]) is not None


def test_what_was_read_where_nobody_listens_is_not_kept(near):
    near.keep(KEYS[0], answer(), at(5, "another"))
    assert len(near) == 0
    near.is_live = False
    near.keep(KEYS[0], answer(), at(5))
    assert len(near) == 0


@pytest.mark.parametrize(
    ("selection", "left"),
    [
        (Selection(key_prefix=KEYS[0]), "bc"),
        (Selection(key_prefix=KEYS[1][:3]), "ac"),
        (Selection(tenant="acme"), "c"),
        (Selection(model="m"), "b"),
        (Selection(tag="t"), "ac"),
        (Selection(tenant="acme", model="m"), "bc"),
        (Selection(tenant="acme", tag="none"), "abc"),
        (Selection(everything=True), ""),
        (Selection(everything=True, tenant="other"), "ab"),
    ],
)
def test_what_is_dropped(near, selection, left):
    near.keep(KEYS[0], answer("a", tenant="acme", model="m"), at(5))
    near.keep(KEYS[1], answer("b", tenant="acme", model="n", tags=["t"]), at(5))
    near.keep(KEYS[2], answer("c", tenant="other", model="m"), at(5))
    near.hear(at(6), [selection])
    found = [near.find(key) for key in KEYS[:3]]
    assert "".join(copy.answer.body.decode() for copy in found if copy) == left


def test_a_log_that_does_not_reach_back_empties_what_it_told_of(near):
    near.begin(at(1, "other"), before="")
    near.keep(KEYS[0], answer(), at(5))
    near.keep(KEYS[1], answer(), at(1, "other"))
    near.begin(at(9, "new"), before="e")
    assert near.find(KEYS[0]) is None and near.find(KEYS[1]) is not None
    near.keep(KEYS[2], answer(), at(5))
    assert near.find(KEYS[2]) is None, "nobody listens to the old log any more"


@pytest.mark.parametrize("jump", [0, -3600, 3600], ids=["right", "back", "forth"])
def test_no_copy_outlives_its_answer_whatever_the_clock_says(jump):
    """Row 14 of the fault table: an hour back would have made it last for an hour more."""
    clock = JumpingClock()
    near = NearCache(1 << 20, clock, longest_call=600)
    near.begin(at(5), before="")
    near.is_live = True
    near.keep(KEYS[0], answer(), at(5))
    clock.jump = jump
    clock.advance(59)
    assert near.find(KEYS[0]) is not None
    clock.advance(1)
    assert near.find(KEYS[0]) is None
    assert (len(near), near.held) == (0, 0)


def test_a_copy_that_is_taken_late_ends_with_its_answer():
    clock = JumpingClock()
    near = NearCache(1 << 20, clock, longest_call=600)
    near.begin(at(5), before="")
    near.is_live = True
    clock.advance(50)
    near.keep(KEYS[0], answer(), at(5))
    clock.advance(9)
    assert near.find(KEYS[0]) is not None
    clock.advance(1)
    assert near.find(KEYS[0]) is None


def test_copies_used_longest_ago_make_room_and_bytes_are_counted():
    body = "x" * 1000
    near = NearCache(8 * (FORMS * 1100 + OVERHEAD), FakeClock(), longest_call=600)
    near.begin(at(0), before="")
    near.is_live = True
    keys = [bytes([number]) * 32 for number in range(20)]
    for key in keys:
        near.keep(key, answer(body), at(0))
        assert near.find(keys[0]) is not None, "used each time"
    assert 1 < len(near) <= 9 and near.held <= 8 * (FORMS * 1100 + OVERHEAD)
    near.keep(keys[0], answer("x" * 20_000), at(0))
    assert near.find(keys[0]) is None, "one takes an eighth at the most, and what it replaces is gone"
    near.hear(at(1), [Selection(everything=True)])
    assert (len(near), near.held) == (0, 0)


class Model:
    """cache-svc, and one that reads from it slowly."""

    def __init__(self) -> None:
        self.kept: dict[bytes, int] = {}
        self.log: list[bytes] = []
        self.under_way: list[tuple[bytes, int, int]] = []
        self.heard = 0
        self.near = NearCache(1 << 20, FakeClock(), longest_call=600)
        self.near.begin(at(0), before="")
        self.near.is_live = True
        self.value = 0

    def store(self, key: bytes) -> None:
        self.value += 1
        self.kept[key] = self.value

    def purge(self, key: bytes) -> None:
        self.kept.pop(key, None)
        self.log.append(key)

    def read(self, key: bytes) -> None:
        if key in self.kept:
            self.under_way.append((key, self.kept[key], len(self.log)))

    def arrive(self, number: int) -> None:
        if self.under_way:
            key, value, version = self.under_way.pop(number % len(self.under_way))
            self.near.keep(key, answer(str(value)), at(version))

    def hear(self) -> None:
        if self.heard < len(self.log):
            dropped = self.log[self.heard]
            self.heard += 1
            self.near.hear(at(self.heard), [Selection(key_prefix=dropped)])


STEPS = st.lists(
    st.tuples(st.sampled_from(["store", "purge", "read", "arrive", "hear"]), st.integers(0, 2)), max_size=60
)


@given(STEPS)
def test_whatever_comes_late_no_purged_answer_is_given_once_its_purge_was_heard(steps):
    """Stores happen only where nothing is kept, so that every value but the last was purged."""
    model = Model()
    for step, number in steps:
        key = KEYS[number]
        if step == "store" and key not in model.kept:
            model.store(key)
        elif step in ("purge", "read"):
            getattr(model, step)(key)
        elif step == "arrive":
            model.arrive(number)
        elif step == "hear":
            model.hear()
        if model.heard == len(model.log):
            for known in KEYS[:3]:
                copy = model.near.find(known)
                assert copy is None or int(copy.answer.body) == model.kept.get(known)


class FakeReplica:
    """cache-svc's Watch: what a test puts in, until it ends."""

    def __init__(self) -> None:
        self.asked: list[WatchRequest] = []
        self.messages: asyncio.Queue[WatchResponse | Exception | None] = asyncio.Queue()

    async def Watch(self, request: WatchRequest) -> AsyncIterator[WatchResponse]:
        self.asked.append(request)
        while (message := await self.messages.get()) is not None:
            if isinstance(message, Exception):
                raise message
            yield message


@pytest.fixture
async def watched() -> AsyncIterator[tuple[NearCache, list[FakeReplica], asyncio.Queue[Any]]]:
    near, replicas = NearCache(1 << 20, FakeClock(), longest_call=600), [FakeReplica(), FakeReplica()]
    changes: asyncio.Queue[Any] = asyncio.Queue()

    async def follow() -> AsyncIterator[Any]:
        while True:
            yield await changes.get()

    task = asyncio.create_task(Watchers(near).run(follow()))
    yield near, replicas, changes
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert not near.is_live


async def until(condition: Any) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


async def test_copies_are_given_only_while_every_replica_is_heard(watched):
    near, (one, other), changes = watched
    changes.put_nowait([one, other])
    one.messages.put_nowait(WatchResponse(mark=at(1, "one"), reset=True))
    await until(lambda: one.asked and other.asked)
    assert not near.is_live
    other.messages.put_nowait(WatchResponse(mark=at(1, "other"), reset=True))
    await until(lambda: near.is_live)
    near.keep(KEYS[0], answer(), at(1, "one"))
    one.messages.put_nowait(RunestoneError(Reason.UNAVAILABLE, "gone"))
    await until(lambda: not near.is_live)
    await until(lambda: len(one.asked) == 2)
    assert one.asked[1].after == at(1, "one")
    one.messages.put_nowait(WatchResponse(mark=at(1, "one")))
    await until(lambda: near.is_live)
    assert near.find(KEYS[0]) is not None, "nothing was missed"


async def test_what_changed_while_nobody_listened_is_dropped_first(watched):
    near, (one, _), changes = watched
    changes.put_nowait([one])
    one.messages.put_nowait(WatchResponse(mark=at(1), reset=True))
    await until(lambda: near.is_live)
    for key in KEYS[:2]:
        near.keep(key, answer(), at(1))
    one.messages.put_nowait(None)
    await until(lambda: len(one.asked) == 2)
    one.messages.put_nowait(WatchResponse(mark=at(2), dropped=[Selection(key_prefix=KEYS[0])]))
    await until(lambda: near.is_live)
    assert near.find(KEYS[0]) is None and near.find(KEYS[1]) is not None
    one.messages.put_nowait(RunestoneError(Reason.UNAVAILABLE, "restarted"))
    one.messages.put_nowait(WatchResponse(mark=at(0, "anew"), reset=True))
    await until(lambda: near.find(KEYS[1]) is None and near.is_live)


async def test_a_replica_that_left_is_not_waited_for(watched):
    near, (one, other), changes = watched
    changes.put_nowait([one, other])
    one.messages.put_nowait(WatchResponse(mark=at(1), reset=True))
    await until(lambda: other.asked)
    assert not near.is_live
    changes.put_nowait([one])
    await until(lambda: near.is_live)
    changes.put_nowait([])
    await until(lambda: not near.is_live)


async def test_a_replica_that_is_silent_is_not_heard(watched, monkeypatch):
    monkeypatch.setattr("gateway_edge.caching.watching.SILENCE", 0.02)
    near, (one, _), changes = watched
    changes.put_nowait([one])
    one.messages.put_nowait(WatchResponse(mark=at(1), reset=True))
    await until(lambda: len(one.asked) >= 2)
    assert not near.is_live
