"""Any order of calls, ends, words of other replicas and time: a target is as a model says that remembers everything and computes
nothing ahead."""

from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from chassis.config.providers import Breaker, Ejection
from provider_svc.health.breaker import State
from provider_svc.health.outcome import Outcome

BREAKERS = [Breaker(failures=2, pause=2.0, max_pause=7.0, probes=2), Breaker(failures=4, pause=1.0, max_pause=4.0)]
EJECTIONS = [
    Ejection(share=0.4, calls=3, interval=10.0, pause=3.0),
    Ejection(share=0.6, calls=5, interval=10.0, pause=4.0),
]


@dataclass(eq=False)
class Began:
    """A call, and what the target gave for it."""

    entry: int
    seq: int
    is_probe: bool


class Model:
    """What must be, from the whole past: openings as (when, how long), calls that run, and what ended."""

    def __init__(self):
        self.breaker, self.ejection = BREAKERS[0], EJECTIONS[0]
        self.now, self.seq = 100.0, 0
        self.is_open, self.openings = False, []  # since it was last closed
        self.row, self.suspected_until = 0, 0.0
        self.begun, self.barrier = [], 0  # calls before the barrier began before the last opening or ejection
        self.ended = []  # (when, whether it failed), since it was last let in again
        self.ejected_until, self.times, self.told = 0.0, 0, []

    @property
    def retry_at(self):
        when, pause = self.openings[-1]
        return when + pause

    @property
    def only_probes(self):
        return self.is_open or self.now < self.suspected_until

    @property
    def breaker_admits(self):
        probing = sum(call.is_probe and call.seq > self.barrier for call in self.begun)
        may = not self.is_open or self.now >= self.retry_at
        return may and (not self.only_probes or probing < self.breaker.probes)

    @property
    def state(self):
        if (self.is_open and self.now < self.retry_at) or (not self.is_open and self.now < self.suspected_until):
            return State.OPEN
        if self.now < self.ejected_until:
            return State.EJECTED
        return State.HALF_OPEN if self.is_open else State.CLOSED

    @property
    def recent(self):
        oldest = int(self.now) - 9  # ten buckets of a second
        ended = [failed for when, failed in self.ended if int(when) >= oldest]
        return len(ended), sum(ended)

    def begin(self, entry):
        self.seq += 1
        call = Began(entry, self.seq, self.only_probes and self.breaker_admits)
        self.begun.append(call)
        return call

    def end(self, call, outcome):
        self.begun.remove(call)
        if call.seq <= self.barrier:
            return
        if outcome is Outcome.ANSWERED:
            self.ended = [] if self.is_open else self.ended
            self.ended.append((self.now, False))
            self.is_open, self.openings, self.row, self.suspected_until = False, [], 0, 0.0
        elif outcome is Outcome.FAILED:
            self.ended.append((self.now, True))
            self.fail(call)

    def fail(self, call):
        if self.is_open:
            if call.is_probe:
                self.open(self.openings[-1][1] * 2)
            return
        self.row += 1
        if self.row >= self.breaker.failures or (call.is_probe and self.now < self.suspected_until):
            self.open(self.breaker.pause)
        elif self.now >= self.ejected_until:
            self.maybe_eject()

    def open(self, pause):
        self.is_open = True
        self.openings.append((self.now, min(pause, self.breaker.max_pause)))
        self.barrier = self.seq
        self.told.append(self.openings[-1][1])

    def maybe_eject(self):
        calls, failures = self.recent
        if calls >= self.ejection.calls and failures / calls >= self.ejection.share:
            calm = int((self.now - self.ejected_until) / self.ejection.interval)
            self.times = min(max(self.times - calm, 0) + 1, 10)
            self.told.append(self.ejection.pause * self.times)
            self.ejected_until = self.now + self.told[-1]
            self.barrier = self.seq

    def pass_time(self, seconds):
        was_ejected = self.now < self.ejected_until
        self.now += seconds
        if was_ejected and self.now >= self.ejected_until:
            self.ended = []


class Health(RuleBasedStateMachine):
    """One target and its model. Moments are whole quarters of a second, so that both add up alike."""

    calls = Bundle("calls")

    def __init__(self, make_target):
        super().__init__()
        self.model = Model()
        self.target = make_target(BREAKERS[0], EJECTIONS[0])

    @rule(target=calls, count=st.integers(1, 4))
    def begin(self, count):
        return multiple(*(self.model.begin(self.target.enter(self.model.now)) for _ in range(count)))

    @rule(target=calls)
    def begin_where_it_admits(self):
        if not self.target.admits(self.model.now):
            return multiple()
        assert self.model.now >= self.model.ejected_until
        return self.model.begin(self.target.enter(self.model.now))

    @rule(call=consumes(calls), outcome=st.sampled_from([Outcome.FAILED, *Outcome]))
    def end(self, call, outcome):
        self.target.leave(outcome, self.model.now, entry=call.entry)
        self.model.end(call, outcome)

    @rule(outcomes=st.lists(st.sampled_from([Outcome.FAILED, *Outcome]), min_size=1, max_size=8))
    def call(self, outcomes):
        for outcome in outcomes:
            call = self.model.begin(self.target.enter(self.model.now))
            self.end(call, outcome)

    @rule(ahead=st.sampled_from([-1.0, 0.5, 3.0, 100.0]))
    def hear_open(self, ahead):
        model = self.model
        self.target.hear_open(model.now + ahead, model.now)
        if not model.is_open:
            until = min(model.now + ahead, model.now + model.breaker.max_pause)
            model.suspected_until = max(model.suspected_until, until)

    @rule(breaker=st.sampled_from(BREAKERS), ejection=st.sampled_from(EJECTIONS))
    def reload(self, breaker, ejection):
        self.target.configure(breaker, ejection)
        self.model.breaker, self.model.ejection = breaker, ejection

    @rule(quarters=st.sampled_from([1, 2, 4, 8, 12, 30, 120]))
    def wait(self, quarters):
        self.model.pass_time(quarters / 4)

    @rule()
    def wait_until_it_admits(self):
        """It does then, unless it waits for its probes."""
        self.model.pass_time(self.target.retry_at(self.model.now) - self.model.now)
        assert self.target.admits(self.model.now) or any(call.is_probe for call in self.model.begun)

    @invariant()
    def it_is_as_the_model_says(self):
        model, target = self.model, self.target
        admits = model.breaker_admits and model.now >= model.ejected_until
        assert (target.state(model.now), target.admits(model.now)) == (model.state, admits)
        assert (target.running, target.recent(model.now), target.told) == (len(model.begun), model.recent, model.told)

    @invariant()
    def it_says_when_to_come_back(self):
        now, later = self.model.now, self.target.retry_at(self.model.now)
        assert (later == now) == self.target.admits(now)
        assert now <= later <= now + 40.0  # ten times the longest pause of an ejection


SETTINGS = settings(
    max_examples=150, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


@pytest.mark.timeout(120)
def test_a_target_is_as_its_past_says(make_target):
    run_state_machine_as_test(lambda: Health(make_target), settings=SETTINGS)
