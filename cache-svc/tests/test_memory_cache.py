"""The memory store against a model: never above its bounds, the least recently used first, nothing that is over."""

import asyncio

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from cache_svc.eviction.lru import Lru
from cache_svc.eviction.tiny_lfu import TinyLfu
from cache_svc.memory import STEP, MemoryStore
from cache_svc.store import NO_LABELS, OVERHEAD, Bounds, Entry, Labels, Selection
from chassis.testing import FakeClock

MAX_ENTRIES, MAX_BYTES = 6, 8 * (OVERHEAD + 132)  # labels' groups, too, have to fit
BOUNDS = Bounds(max_entries=MAX_ENTRIES, max_bytes=MAX_BYTES)

quarters = st.integers(0, 120)  # of a second: exact in floating point, and few enough to meet
names = st.integers(0, 11).map(lambda number: bytes([number // 2]) + bytes([number]) * 31)
labels = st.sampled_from([NO_LABELS, Labels("acme", "fast", ("red",)), Labels("acme", "smart"), Labels("", "fast")])
selections = st.one_of(
    names.map(lambda name: Selection(key_prefix=name)),
    names.map(lambda name: Selection(key_prefix=name[:1], model="fast")),
    st.sampled_from(
        [Selection(tenant="acme"), Selection(model="fast"), Selection(tag="red"), Selection(everything=True)]
    ),
)


def now_or_never(question):
    """Runs a coroutine that must not wait."""
    try:
        question.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waited")


def all_turns(question):
    """Runs a coroutine that only lets others have their turn: its result, and how many turns it gave."""
    turns = 0
    while True:
        try:
            question.send(None)
        except StopIteration as done:
            return done.value, turns
        turns += 1


def everything(store):
    """What it holds, by name."""
    return {name: kept for shelf in store._entries._shelves for name, kept in shelf.items()}


class Comparison(RuleBasedStateMachine):
    """`fresh` is what a cache without bounds would hold, the least recently used first: body, end and labels of each."""

    def __init__(self):
        super().__init__()
        self.clock, self.evicted, self.number = FakeClock(), 0, 0
        self.store = MemoryStore(BOUNDS, self.clock, self.policy(), on_eviction=self._count)
        self.fresh = {}

    @staticmethod
    def policy():
        return Lru()

    def _count(self):
        self.evicted += 1

    @rule(name=names, size=st.integers(0, 200), ttl=quarters, labels=labels)
    def keep(self, name, size, ttl, labels):
        self.number, ttl = self.number + 1, ttl / 4
        entry = Entry(name, self.number.to_bytes(4) + bytes(size), ttl, labels)
        is_kept = now_or_never(self.store.keep(entry))
        if self.is_admitted(entry, is_kept):
            self.fresh.pop(name, None)
            if is_kept:
                self.fresh[name] = (entry.body, self.clock.monotonic() + ttl, labels)
        self._settle_evictions()

    def is_admitted(self, entry, is_kept):
        """Whether it took the place of what was there; the bounds alone decide."""
        assert is_kept == (entry.ttl > 0 and entry.size <= MAX_BYTES // 8)
        return is_kept

    def _settle_evictions(self):
        held = everything(self.store)
        left = [name for name in self.fresh if name in held]
        self.check_order(left)
        dropped = len(self.fresh) - len(left)
        assert (self.evicted, now_or_never(self.store.take_stock()).evictions) == (dropped, self.evicted)
        self.fresh, self.evicted, self.store._evictions = {name: self.fresh[name] for name in left}, 0, 0

    def check_order(self, left):
        """What was dropped was used before everything that was not."""
        assert left == list(self.fresh)[len(self.fresh) - len(left) :]

    @rule(name=names)
    def look_up(self, name):
        expected = self.fresh.pop(name, None)
        assert now_or_never(self.store.look_up(name)) == (expected and expected[0])
        if expected:
            self.fresh[name] = expected

    @rule(selection=selections)
    def purge(self, selection):
        """What is over may count, too, until it is swept."""
        fitting = [name for name, kept in everything(self.store).items() if selection.fits(name, kept.group.labels)]
        assert all_turns(self.store.purge(selection))[0] == len(fitting)
        gone = [name for name, (_, _, labels) in self.fresh.items() if selection.fits(name, labels)]
        assert set(gone) <= set(fitting)
        self.fresh = {name: kept for name, kept in self.fresh.items() if name not in gone}

    @rule(wait=quarters)
    def let_time_pass(self, wait):
        self.clock.advance(wait / 4)
        self.fresh = {name: kept for name, kept in self.fresh.items() if kept[1] > self.clock.monotonic()}

    @rule(steps=st.integers(1, 5))
    def sweep_a_little(self, steps):
        self.store.drop_expired(steps)

    @rule()
    def sweep_all(self):
        while self.store.drop_expired():
            pass
        over = [kept.expires_at for name, kept in everything(self.store).items() if name not in self.fresh]
        assert all(self.clock.monotonic() - end < 1 for end in over)

    @invariant()
    def stays_within_its_bounds(self):
        store, held = self.store, everything(self.store)
        parts = (store._entries, store._calendar, store._policy)
        assert [len(part) for part in parts] == [len(held)] * 3
        assert store.entries == len(held) <= MAX_ENTRIES
        sizes = sum(len(name) + len(kept.body) + OVERHEAD for name, kept in held.items())
        groups = {kept.group.labels: kept.group for kept in held.values()}
        assert sizes + sum(group.size for group in groups.values()) == store.used_bytes <= MAX_BYTES
        assert {name for group in groups.values() for name in group.keys} == set(held)
        assert sum(len(group.keys) for group in groups.values()) == len(held)
        assert bool(store._index._tenants) == bool(held)


class FrequencyComparison(Comparison):
    """The same with the policy that weighs who comes against who is there: then the newest may be the one to go."""

    @staticmethod
    def policy():
        return TinyLfu(MAX_ENTRIES, MAX_BYTES)

    def is_admitted(self, entry, is_kept):
        is_admitted = entry.ttl > 0 and entry.size <= MAX_BYTES // 8
        assert is_admitted or not is_kept
        return is_admitted

    def check_order(self, left):
        pass


TestComparison = Comparison.TestCase
TestFrequencyComparison = FrequencyComparison.TestCase


def filled(count, ttl=60.0, max_entries=1000):
    clock = FakeClock()
    store = MemoryStore(Bounds(max_entries=max_entries, max_bytes=1 << 30), clock, Lru())
    for number in range(count):
        now_or_never(store.keep(Entry(number.to_bytes(32), b"body", ttl)))
    return clock, store


async def test_an_entry_is_over_when_its_time_to_live_has_passed_and_not_before():
    clock, store = filled(1, ttl=5)
    clock.advance(4.75)
    assert await store.look_up((0).to_bytes(32)) == b"body"
    clock.advance(0.25)
    assert await store.look_up((0).to_bytes(32)) is None
    assert store.entries == 0


async def test_what_is_over_when_it_makes_room_was_not_evicted():
    clock, store = filled(3, ttl=5, max_entries=3)
    clock.advance(5)
    await store.keep(Entry(b"n" * 32, b"new", 60))
    assert store.entries == 3
    assert (await store.take_stock()).evictions == 0


async def test_a_look_up_saves_an_entry_from_eviction():
    _, store = filled(3, max_entries=3)
    await store.look_up((0).to_bytes(32))
    await store.keep(Entry(b"n" * 32, b"new", 60))
    assert await store.look_up((0).to_bytes(32)) == b"body"
    assert await store.look_up((1).to_bytes(32)) is None
    assert (await store.take_stock()).evictions == 1


async def test_room_is_taken_from_what_is_over_before_what_is_fresh():
    clock, store = filled(2, ttl=5, max_entries=3)
    await store.keep(Entry(b"f" * 32, b"fresh", 60))
    for number in range(2):
        await store.look_up(number.to_bytes(32))
    clock.advance(7)
    await store.keep(Entry(b"n" * 32, b"new", 60))
    assert await store.look_up(b"f" * 32) == b"fresh"
    assert (await store.take_stock()).evictions == 0


def test_sweeping_goes_in_bounded_steps():
    clock, store = filled(600, ttl=5)
    clock.advance(7)
    assert store.drop_expired(steps=100)
    assert 500 <= store.entries <= 510
    while store.drop_expired(steps=100):
        pass
    assert store.entries == 0


async def test_the_sweeper_drops_what_nobody_touches():
    clock, store = filled(600, ttl=5)
    sweeper = asyncio.create_task(store.sweep(pause=0.001))
    await asyncio.sleep(0.005)
    assert store.entries == 600
    clock.advance(7)
    while store.entries:
        await asyncio.sleep(0.001)
    sweeper.cancel()
    await asyncio.gather(sweeper, return_exceptions=True)
    assert sweeper.cancelled()


def test_a_purge_lets_other_work_have_its_turn():
    """Neither a selection by labels nor one by key holds the loop for all entries."""
    for selection in (Selection(everything=True), Selection(key_prefix=b"\x00")):
        _, store = filled(5 * STEP, max_entries=5 * STEP)
        assert all_turns(store.purge(selection)) == (5 * STEP, 5)
        assert store.entries == 0


async def test_what_is_kept_while_a_purge_runs_does_not_prolong_it():
    _, store = filled(2 * STEP, max_entries=4 * STEP)
    purge = store.purge(Selection(everything=True))
    purge.send(None)
    for number in range(STEP):
        await store.keep(Entry((10_000 + number).to_bytes(32), b"late", 60))
    purge.send(None)
    with pytest.raises(StopIteration) as done:
        purge.send(None)
    assert done.value.value == 2 * STEP
    assert store.entries == STEP


async def test_labels_take_room_once_and_give_it_back():
    _, store = filled(0)
    labels = [Labels("acme", "fast", ("red",)), Labels("acme", "fast", ("red",)), Labels("acme", "smart")]
    used = []
    for number, label in enumerate(labels):
        await store.keep(Entry(bytes([number]) * 32, b"", 60, label))
        used.append(store.used_bytes - (number + 1) * (OVERHEAD + 32))
    assert 0 < used[0] == used[1] < used[2]
    await store.purge(Selection(tenant="acme"))
    assert store.used_bytes == 0
