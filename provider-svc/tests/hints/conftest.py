"""What stands around hints: a book of targets, a clock, and counters that can be read."""

import pytest

from chassis.metrics import Metrics
from chassis.testing import FakeClock
from provider_svc.hints.hints import Counts, Hints


class FakeTarget:
    """Remembers until when it was said to be open."""

    def __init__(self, provider, model):
        self.provider = provider
        self.model = model
        self.until = None
        self.heard = 0

    def hear_open(self, until, now):
        assert until > now
        self.until = until
        self.heard += 1


class FakeBook:
    def __init__(self, *targets):
        self.on_open = None
        self.targets = {target: FakeTarget(*target) for target in targets}

    def find(self, provider, model):
        return self.targets.get((provider, model))

    def open(self, provider, model, seconds):
        """A breaker of this replica opens."""
        assert self.on_open is not None
        self.on_open(provider, model, seconds)


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def counts(metrics):
    return Counts.of(metrics)


@pytest.fixture
def count(metrics):
    """How many hints went a way."""

    def read(way):
        (line,) = (
            line
            for line in metrics.exposition().decode().splitlines()
            if line.startswith(f"runestone_hints_{way}_total ")
        )
        return float(line.split()[1])

    return read


@pytest.fixture
def book():
    return FakeBook(("openai", "gpt"))


@pytest.fixture
def hints(book, clock, counts):
    return Hints(book, clock, counts, "me")


@pytest.fixture
def make_target():
    return FakeTarget
