"""W-TinyLFU against a plain model of the paper, and what it promises where LRU fails."""

import random

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from cache_svc.eviction.lru import Lru
from cache_svc.eviction.sketch import Sketch
from cache_svc.eviction.tiny_lfu import TinyLfu

numbers = st.integers(0, 30)
sizes = st.integers(1, 60)


def name(number):
    return random.Random(number).randbytes(32)


class Model(RuleBasedStateMachine):
    """Lists in the order of use, and shares summed up anew each time."""

    @initialize(entries=st.integers(1, 20), size=st.integers(60, 2_000))
    def begin(self, entries, size):
        self.most_entries, self.most_bytes = entries, size
        self.policy = TinyLfu(entries, size)
        self.sketch = Sketch(min(entries, size))
        self.window, self.probation, self.protected, self.newcomers = [], [], [], []
        self.sizes = {}

    def is_over(self, segment, entries, size):
        return len(segment) > entries or sum(self.sizes[key] for key in segment) > size

    @rule(number=numbers, size=sizes)
    def add(self, number, size):
        key = name(number)
        if key in self.sizes:
            return
        self.policy.add(key, size)
        self.sketch.add(key)
        self.sizes[key] = size
        entries = max(1, self.most_entries // 100)
        if size > self.most_bytes / 100:
            self.newcomers = [key]
            self.probation.append(key)
        else:
            self.window.append(key)
            self.newcomers = []
            while self.is_over(self.window, entries, self.most_bytes / 100):
                self.newcomers.append(self.window.pop(0))
            self.probation += self.newcomers
        while self.is_over(list(self.sizes), self.most_entries, self.most_bytes):
            self.give_up()

    def give_up(self):
        segments = [segment for segment in (self.probation, self.protected, self.window) if segment]
        expected = segments[0][0]
        self.newcomers = [key for key in self.newcomers if key in self.probation and key != expected]
        if self.newcomers and self.sketch.estimate(self.newcomers[-1]) <= self.sketch.estimate(expected):
            expected = self.newcomers.pop()
        assert self.policy.give_up() == expected
        self.forget(expected)

    def forget(self, key):
        del self.sizes[key]
        for segment in (self.window, self.probation, self.protected):
            if key in segment:
                segment.remove(key)

    @precondition(lambda self: self.sizes)
    @rule(data=st.data())
    def touch(self, data):
        key = data.draw(st.sampled_from(sorted(self.sizes)))
        self.policy.touch(key)
        self.sketch.add(key)
        if key in self.window:
            self.window.remove(key)
            self.window.append(key)
            return
        for segment in (self.probation, self.protected):
            if key in segment:
                segment.remove(key)
        self.protected.append(key)
        window = max(1, self.most_entries // 100)
        entries, size = 0.8 * (self.most_entries - window), 0.8 * (self.most_bytes - self.most_bytes / 100)
        while self.is_over(self.protected, entries, size):
            self.probation.append(self.protected.pop(0))

    @precondition(lambda self: self.sizes)
    @rule(data=st.data())
    def remove(self, data):
        key = data.draw(st.sampled_from(sorted(self.sizes)))
        self.policy.remove(key)
        self.forget(key)

    @invariant()
    def holds_the_same_in_the_same_order(self):
        if not hasattr(self, "policy"):
            return
        policy = self.policy
        segments = (policy._window, policy._probation, policy._protected)
        for segment, expected in zip(segments, (self.window, self.probation, self.protected), strict=True):
            assert list(segment.keys) == expected
            assert segment.bytes == sum(self.sizes[key] for key in expected)
        assert len(policy) == len(self.sizes)


TestModel = Model.TestCase


def hits(policy, trace, entries):
    """How many of the last half were answered."""
    held, count = set(), 0
    for number, key in enumerate(trace):
        if key in held:
            policy.touch(key)
            count += number >= len(trace) // 2
            continue
        policy.add(key, 1)
        held.add(key)
        if len(held) > entries:
            held.remove(policy.give_up())
    return count


def test_questions_asked_once_do_not_wash_out_those_asked_often():
    """Fifty are asked again and again, and after each round comes twice the cache of strangers."""
    favourites, strangers = [name(number) for number in range(50)], map(name, range(1000, 100_000))
    trace = []
    for _ in range(40):
        trace += favourites + [next(strangers) for _ in range(200)]
    assert hits(Lru(), trace, 100) == 0
    assert hits(TinyLfu(100, 100), trace, 100) == 20 * 50


def test_what_is_asked_often_of_late_takes_the_place_of_what_was_once():
    """Counts age: the past does not hold its places for ever."""
    former, present = [name(number) for number in range(100)], [name(number) for number in range(200, 300)]
    trace = former * 150 + present * 250
    assert hits(TinyLfu(100, 100), trace, 100) >= 0.7 * len(trace) / 2
