"""Shared state in memory is bounded: what must not be forgotten is refused, what may be is counted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_svc.state.memory import MemoryState
from cache_svc.state.register import Register
from cache_svc.state.store import CLAIMED, Ask, Standing
from cache_svc.store import OVERHEAD, Bounds
from chassis.errors import Reason, RunestoneError
from chassis.testing import FakeClock

QUESTION, TOKEN = b"q" * 32, b"t" * 16
SIZE = OVERHEAD + 32 + 32 + 8  # of an answer of eight bytes


def key(number):
    return number.to_bytes(32, "big")


def scope(number):
    return f"signer {number}".encode()


def ask(number):
    return Ask(key=key(number), fingerprint=QUESTION, token=TOKEN, claim_ttl=10)


async def answer(state, number):
    await state.begin(ask(number))
    return await state.finish(key(number), TOKEN, b"answered", 3600)


async def test_when_full_of_nonces_a_new_one_is_refused_and_none_forgotten():
    clock = FakeClock()
    state = MemoryState(Bounds(max_entries=3, max_bytes=1 << 20), clock)
    for number in range(3):
        assert await state.remember_nonce(scope(number), key(number), ttl=10)
    with pytest.raises(RunestoneError) as caught:
        await state.remember_nonce(scope(3), key(3), ttl=10)
    assert (caught.value.reason, caught.value.retry_after) == (Reason.OVERLOADED, 1.0)
    assert not any([await state.remember_nonce(scope(number), key(number), ttl=10) for number in range(3)])
    clock.advance(12)
    assert await state.remember_nonce(scope(3), key(3), ttl=10)
    assert len(state.nonces) == 1


async def test_one_scope_has_a_quarter_of_the_nonces_and_leaves_the_rest_to_others():
    """Else who holds one signer's key could shut out every other signer."""
    clock = FakeClock()
    state = MemoryState(Bounds(max_entries=8, max_bytes=1 << 20), clock)
    assert [await state.remember_nonce(scope(0), key(number), ttl=10) for number in range(2)] == [True, True]
    with pytest.raises(RunestoneError, match="2 of 8") as caught:
        await state.remember_nonce(scope(0), key(2), ttl=10)
    assert (caught.value.reason, caught.value.retry_after) == (Reason.OVERLOADED, 1.0)
    assert not await state.remember_nonce(scope(0), key(0), ttl=10)
    assert [await state.remember_nonce(scope(number // 2), key(number), ttl=10) for number in range(2, 8)] == [True] * 6
    clock.advance(12)
    assert [await state.remember_nonce(scope(0), key(number), ttl=10) for number in range(2)] == [True, True]


def test_what_is_replaced_or_removed_gives_its_owner_the_place_back():
    register = Register("things", 10, FakeClock(), max_share=1)
    register.put(key(0), "old", 10, owner=b"a")
    register.put(key(0), "new", 10, owner=b"a")
    register.put(key(0), "theirs", 10, owner=b"b")
    register.put(key(1), "mine", 10, owner=b"a")
    register.remove(key(0))
    register.put(key(2), "again", 10, owner=b"b")
    assert [register.get(key(number)) for number in range(3)] == [None, "mine", "again"]


async def test_when_full_of_running_calls_a_new_one_is_refused_until_one_ends():
    state = MemoryState(Bounds(max_entries=2, max_bytes=1 << 20), FakeClock())
    assert [await state.begin(ask(0)), await state.begin(ask(1))] == [CLAIMED, CLAIMED]
    with pytest.raises(RunestoneError) as caught:
        await state.begin(ask(2))
    assert caught.value.reason is Reason.OVERLOADED
    await state.renew(key(0), TOKEN, 10)
    await state.abandon(key(1), TOKEN)
    assert await state.begin(ask(2)) == CLAIMED


@pytest.mark.parametrize(
    "bounds", [Bounds(max_entries=10, max_bytes=1 << 20), Bounds(max_entries=999, max_bytes=10 * SIZE)]
)
async def test_answers_used_longest_ago_make_room_and_are_counted(bounds):
    evicted = []
    state = MemoryState(bounds, FakeClock(), on_eviction=lambda: evicted.append(1))
    for number in range(10):
        assert await answer(state, number)
    assert (await state.begin(ask(0))).standing is Standing.ANSWERED
    await answer(state, 10)
    assert len(evicted) == 1
    assert (await state.begin(ask(0))).standing is Standing.ANSWERED
    assert await state.begin(ask(1)) == CLAIMED


async def test_an_answer_that_is_over_is_not_counted_as_evicted():
    clock, evicted = FakeClock(), []
    state = MemoryState(Bounds(max_entries=2, max_bytes=1 << 20), clock, on_eviction=lambda: evicted.append(1))
    await answer(state, 0)
    clock.advance(3601)
    await answer(state, 1)
    await answer(state, 2)
    assert evicted == []


class RegisterModel:
    def __init__(self, room):
        self.room, self.held = room, {}

    def put(self, key, value, until, now):
        if key not in self.held and sum(until > now for _, until in self.held.values()) >= self.room:
            return False
        self.held[key] = (value, until)
        return True

    def get(self, key, now):
        value, until = self.held.get(key, (None, 0))
        return value if until > now else None


steps = st.lists(
    st.tuples(st.sampled_from(["put", "get", "remove", "wait"]), st.integers(0, 5), st.sampled_from([1, 2, 5, 30])),
    max_size=60,
)


@given(steps)
def test_a_register_never_forgets_early_and_never_gives_what_is_over(steps):
    """Against a model without bounds on its own memory. Times are whole seconds and looked at between them, where both agree on
    what is over; a refusal is right when as many are still good, or were until a second ago."""
    clock = FakeClock(1000.5)
    register, model = Register("things", 3, clock), RegisterModel(3)
    for number, (step, name, seconds) in enumerate(steps):
        now = clock.monotonic()
        if step == "put":
            try:
                register.put(key(name), number, seconds)
            except RunestoneError:
                assert sum(until > now - 2 for _, until in model.held.values()) >= 3
                model.held.pop(key(name), None)
            else:
                assert model.put(key(name), number, now + seconds, now)
        elif step == "get":
            assert register.get(key(name)) == model.get(key(name), now)
        elif step == "remove":
            register.remove(key(name))
            model.held.pop(key(name), None)
        else:
            clock.advance(seconds)
        assert len(register) <= 3
