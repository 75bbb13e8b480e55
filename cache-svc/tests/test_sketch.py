"""The sketch against exact counts: never less than was seen, up to its most, until it is aged."""

import random

from hypothesis import given
from hypothesis import strategies as st

from cache_svc.eviction.sketch import MOST, ROWS, Sketch

keys = st.integers(0, 40).map(lambda number: random.Random(number).randbytes(32))


@given(st.lists(keys, max_size=300))
def test_a_key_is_never_estimated_at_less_than_it_was_seen(seen):
    sketch = Sketch(64)
    for key in seen:
        sketch.add(key)
    for key in set(seen):
        assert min(seen.count(key), MOST + 1) <= sketch.estimate(key) <= MOST + 1


@given(keys, st.integers(0, 30))
def test_alone_it_counts_exactly_and_stops_at_its_most(key, times):
    sketch = Sketch(64)
    for _ in range(times):
        sketch.add(key)
    assert sketch.estimate(key) == min(times, MOST + 1)


@given(keys, st.integers(0, 30))
def test_aging_halves_and_forgets_who_came_once(key, times):
    sketch = Sketch(64)
    for _ in range(times):
        sketch.add(key)
    sketch.age()
    assert sketch.estimate(key) == max(0, min(times, MOST + 1) - 1) // 2


def test_few_strangers_are_taken_for_somebody():
    """A thousand keys in room for a thousand: hardly one in a hundred others seems to have come more than once."""
    dice, sketch = random.Random(1), Sketch(1000)
    for _ in range(1000):
        sketch.add(dice.randbytes(32))
    assert sum(sketch.estimate(dice.randbytes(32)) > 1 for _ in range(1000)) < 10


def test_keys_that_share_some_of_their_slots_are_counted_apart():
    sketch = Sketch(64)
    often, rarely = bytes(16), bytes(12) + b"\x01\x00\x00\x00"
    for _ in range(10):
        sketch.add(often)
    sketch.add(rarely)
    assert (sketch.estimate(often), sketch.estimate(rarely)) == (10, 1)


def test_a_key_takes_a_few_bytes():
    assert len(Sketch(1_000_000)._table) == ROWS << 20
