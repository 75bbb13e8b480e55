"""Targets whose settings are easy to count with."""

import pytest
from hypothesis import settings

from chassis.config.providers import Breaker, Ejection
from provider_svc.health.outcome import Outcome
from provider_svc.health.target import TargetHealth

settings.register_profile("unhurried", deadline=None)  # a busy machine is not a failure
settings.load_profile("unhurried")

BREAKER = Breaker(failures=3, pause=2.0, max_pause=8.0, probes=1)
EJECTION = Ejection(share=0.5, calls=4, interval=10.0, pause=5.0)
NEVER = Ejection(share=1.0, calls=1_000_000)


class Driven(TargetHealth):
    """A target, and whole calls to it; `told` is what was told of it."""

    def __init__(self, breaker, ejection):
        self.told = []
        super().__init__("p", "m", breaker, ejection, lambda provider, model, seconds: self.told.append(seconds))

    def call(self, outcome, now, times=1):
        for _ in range(times):
            self.leave(outcome, now, entry=self.enter(now))


@pytest.fixture
def make_target():
    def make(breaker=BREAKER, ejection=NEVER):
        return Driven(breaker, ejection)

    return make


@pytest.fixture
def target(make_target):
    return make_target()


@pytest.fixture
def open_target(target):
    """One whose breaker opened at 100 s, until 102 s."""
    target.call(Outcome.FAILED, 100.0, times=3)
    return target
