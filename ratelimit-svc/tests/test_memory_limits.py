"""The memory store forgets what does not matter, and never what does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import Reason, RunestoneError
from ratelimit_svc.limit import make_limit
from ratelimit_svc.memory import MemoryStore
from ratelimit_svc.reservation import is_admitted, settle

MINUTE = 60_000_000
NOW = 1_800_000_000_000_000


def limit(subject, quantity=6, burst=2):
    return make_limit([str(subject)], "n", quantity=quantity, period=MINUTE, burst=burst, amount=1)


async def test_subjects_that_are_full_again_are_swept_as_others_come():
    store = MemoryStore()
    for subject in range(1000):
        await store.reserve([limit(subject)], NOW)
    assert len(store) == 1000
    later = NOW + MINUTE
    for _ in range(70):
        await store.reserve([limit("one that goes on")], later)
    assert len(store) == 1


async def test_a_full_store_makes_room_by_forgetting_full_subjects():
    store = MemoryStore(max_subjects=10)
    for subject in range(10):
        await store.reserve([limit(subject)], NOW)
    assert is_admitted(await store.reserve([limit("new")], NOW + MINUTE))
    assert len(store) <= 10


async def test_a_subject_in_use_is_never_forgotten_for_a_new_one():
    """Otherwise a crowd of new subjects would give the old ones their bursts again."""
    store = MemoryStore(max_subjects=2)
    for subject in ("a", "a", "b", "b"):
        await store.reserve([limit(subject)], NOW)
    with pytest.raises(RunestoneError) as caught:
        await store.reserve([limit("a"), limit("new")], NOW + MINUTE // 6)
    assert caught.value.reason is Reason.UNAVAILABLE
    assert not is_admitted(await store.reserve([limit("b")], NOW))
    assert [decision.remaining for decision in await store.reserve([limit("a")], NOW + MINUTE // 6)] == [0]


async def test_a_refusal_remembers_nobody_new():
    store = MemoryStore()
    await store.reserve([limit("a", burst=1)], NOW)
    await store.reserve([limit("a", burst=1), limit("b")], NOW)
    assert len(store) == 1


steps = st.tuples(st.integers(0, MINUTE), st.lists(st.integers(0, 7), min_size=1, max_size=3, unique=True))


@given(st.lists(steps, max_size=80))
async def test_forgetting_changes_no_decision(steps):
    """Against a store that forgets nothing."""
    store, everything, now = MemoryStore(max_subjects=8), {}, NOW
    for wait, subjects in steps:
        now += wait
        limits = [limit(subject, quantity=subject + 1) for subject in subjects]
        expected = settle(limits, [everything.get(limit.key) for limit in limits], now)
        if is_admitted(expected):
            everything |= {limit.key: decision.arrival for limit, decision in zip(limits, expected, strict=True)}
        assert await store.reserve(limits, now) == expected
        assert len(store) <= 8
