"""The memory store against a model: never above its bounds, the least recently used first, nothing that is over."""

import asyncio

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from cache_svc.memory import MemoryStore
from cache_svc.store import OVERHEAD, Bounds, Entry
from chassis.testing import FakeClock

MAX_ENTRIES, MAX_BYTES = 6, 8 * (OVERHEAD + 132)
BOUNDS = Bounds(max_entries=MAX_ENTRIES, max_bytes=MAX_BYTES)

quarters = st.integers(0, 120)  # of a second: exact in floating point, and few enough to meet
names = st.integers(0, 11).map(lambda number: bytes([number]) * 32)


def now_or_never(question):
    """Runs a coroutine that must not wait."""
    try:
        question.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waited")


class Comparison(RuleBasedStateMachine):
    """`fresh` is what a cache without bounds would hold, the least recently used first: body and end of each."""

    def __init__(self):
        super().__init__()
        self.clock, self.evicted, self.number = FakeClock(), 0, 0
        self.store = MemoryStore(BOUNDS, self.clock, on_eviction=self._count)
        self.fresh = {}

    def _count(self):
        self.evicted += 1

    @rule(name=names, size=st.integers(0, 200), ttl=quarters)
    def keep(self, name, size, ttl):
        self.number, ttl = self.number + 1, ttl / 4
        entry = Entry(name, self.number.to_bytes(4) + bytes(size), ttl)
        is_kept = now_or_never(self.store.keep(entry))
        assert is_kept == (ttl > 0 and entry.size <= MAX_BYTES // 8)
        if is_kept:
            self.fresh.pop(name, None)
            self.fresh[name] = (entry.body, self.clock.monotonic() + ttl)
        self._settle_evictions()

    def _settle_evictions(self):
        """What was dropped was used before everything that was not."""
        held = [name for name in self.fresh if name in self.store._entries]
        assert held == list(self.fresh)[len(self.fresh) - len(held) :]
        dropped = len(self.fresh) - len(held)
        assert (self.evicted, now_or_never(self.store.take_stock()).evictions) == (dropped, self.evicted)
        self.fresh, self.evicted, self.store._evictions = {name: self.fresh[name] for name in held}, 0, 0

    @rule(name=names)
    def look_up(self, name):
        expected = self.fresh.pop(name, None)
        assert now_or_never(self.store.look_up(name)) == (expected and expected[0])
        if expected:
            self.fresh[name] = expected

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
        over = [kept.expires_at for name, kept in self.store._entries.items() if name not in self.fresh]
        assert all(self.clock.monotonic() - end < 1 for end in over)

    @invariant()
    def stays_within_its_bounds(self):
        entries = self.store._entries
        assert len(entries) == self.store.entries == len(self.store._calendar) <= MAX_ENTRIES
        sizes = sum(len(name) + len(kept.body) + OVERHEAD for name, kept in entries.items())
        assert sizes == self.store.used_bytes <= MAX_BYTES


TestComparison = Comparison.TestCase


def filled(count, ttl=60.0, max_entries=1000):
    clock = FakeClock()
    store = MemoryStore(Bounds(max_entries=max_entries, max_bytes=1 << 30), clock)
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
