"""Calls that begin, wait, end, are refused and leave in any order: who waited longest is next, and nobody is forgotten."""

import asyncio

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from keys.inner import call_of, keyed_of, rate_limited

from chassis.testing import FakeClock
from provider_svc.keys.choice import find_free
from provider_svc.provider import Gathered

MODELS = ("m", "n")
MOST, LONGEST = 3, 6


class Calls(RuleBasedStateMachine):
    """Three keys with three places each, and a line of six. `waiting` is what should wait, in its order, by model."""

    def __init__(self):
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = FakeClock()
        self.keyed, self.inners = self.run(self.make())
        self.tasks, self.models, self.count = {}, {}, 0
        self.waiting = {model: [] for model in MODELS}

    async def make(self):
        return keyed_of(self.clock, (1, 1, 2), max=MOST, min=1, queue=LONGEST, patience=3600.0)

    def run(self, work):
        return self.loop.run_until_complete(work)

    def settle(self):
        """Lets everything happen that can; those who began must have been the first of those who waited."""
        self.run(self.turn(8))
        began = {name for inner in self.inners for name in inner.began}
        for line in self.waiting.values():
            gone = [name for name in line if name in began or self.tasks[name].done()]
            served = [name for name in gone if name in began]
            still = [name for name in line if name not in gone]
            assert not served or not still or line.index(served[-1]) < line.index(still[0])
            line[:] = still

    async def turn(self, times):
        for _ in range(times):
            await asyncio.sleep(0)

    def running(self):
        return [(inner, name) for inner in self.inners for name in inner.running]

    @rule(model=st.sampled_from(MODELS), many=st.integers(1, 5))
    def begin(self, model, many):
        for _ in range(many):
            self.count += 1
            name = f"c{self.count}"
            self.models[name] = model
            self.tasks[name] = self.loop.create_task(self.keyed.call(call_of(name, model), Gathered()))
            self.waiting[model].append(name)
        self.settle()

    @precondition(lambda self: self.running())
    @rule(data=st.data(), hint=st.sampled_from([None, 0, 0.04, 1.0, 20.0]), is_refused=st.booleans())
    def end(self, data, hint, is_refused):
        inner, name = data.draw(st.sampled_from(self.running()))
        inner.end(name, rate_limited(hint) if is_refused else None)
        self.settle()

    @precondition(lambda self: any(not task.done() for task in self.tasks.values()))
    @rule(data=st.data(), is_freed=st.booleans())
    def leave(self, data, is_freed):
        """Perhaps in the moment in which a place becomes free."""
        name = data.draw(st.sampled_from([name for name, task in self.tasks.items() if not task.done()]))
        if is_freed and (running := self.running()):
            inner, other = data.draw(st.sampled_from(running))
            inner.end(other)
            self.run(self.turn(1))
        self.tasks[name].cancel()
        self.settle()

    @rule(seconds=st.floats(0.001, 30))
    def pass_time(self, seconds):
        """The timer that looks after ends of pauses is the loop's, whose time does not pass here."""
        self.clock.advance(seconds)
        self.run(self.serve())
        self.settle()

    async def serve(self):
        self.keyed._desk.serve()

    @invariant()
    def places_are_counted(self):
        states = self.keyed.statistics()
        assert [state.running for state in states] == [len(inner.running) for inner in self.inners]
        assert all(state.running <= MOST for state in states)
        assert all(1 <= state.limit <= MOST for state in states)

    @invariant()
    def nobody_waits_who_could_be_served(self):
        waiting = [name for line in self.waiting.values() for name in line]
        assert len(self.keyed._desk.line) == len(waiting) <= LONGEST
        now = self.clock.monotonic()
        assert not [name for name in waiting if find_free(self.keyed.keys, self.models[name], now)]

    async def stop(self):
        for task in self.tasks.values():
            task.cancel()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)

    def teardown(self):
        self.run(self.stop())
        assert [(state.running, state.waiting) for state in self.keyed.statistics()] == [(0, 0)] * 3
        self.run(self.keyed.close())
        self.loop.close()


TestCalls = Calls.TestCase
TestCalls.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
