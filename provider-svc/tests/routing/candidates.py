"""Candidates of routes that do not exist, and lots that are known beforehand."""

from dataclasses import dataclass

from hypothesis import strategies as st

from chassis.config.catalog import Route
from chassis.config.models import Model, Target
from provider_svc.routing import Candidate, rank
from runestone.common.v1.cost_pb2 import Rates, Tariff

NOW = 100.0


@dataclass
class FakeHealth:
    """Well, unless it is back `at` a later time, or has too much to do until it is `relaxed`."""

    running: int = 0
    seconds: float | None = None
    at: float = NOW
    relaxed: float = NOW

    def admits(self, now):
        return self.at <= now

    def is_well(self, now):
        return self.well_at(now) <= now

    def well_at(self, now):
        return max(self.at, self.relaxed, now)

    def retry_at(self, now):
        return max(self.at, now)

    def first_byte(self, now):
        return self.seconds


def candidate(name="m", *, speaks=True, rates=None, provider="p", health=None, **target):
    return Candidate(Target(provider=provider, model=name, **target), health or FakeHealth(), speaks, lambda: rates)


def priced(dollars):
    """Rates of so many dollars for a million tokens, whichever."""
    return Rates(tariffs=[Tariff(input=dollars * 10**9, output=dollars * 10**9)])


def route_of(candidates, **entry):
    targets = [one.target for one in candidates]
    return Route("fast", tuple(targets), Model(name="fast", targets=targets, **entry))


def names_of(candidates, *lots, needs=None, unit=b"", **entry):
    """The models in the order in which they are asked, when these are the lots; then, 0.5 each."""
    left = list(lots)
    ranking = rank(route_of(candidates, **entry), candidates, needs, unit, lambda: left.pop(0) if left else 0.5, NOW)
    return [choice.target.model for choice in ranking.choices]


@st.composite
def many(draw):
    """Any candidates, each with a name of its own."""
    states = draw(
        st.lists(
            st.tuples(
                st.integers(0, 4),  # weight
                st.integers(0, 2),  # priority
                st.booleans(),  # speaks
                st.integers(0, 5),  # running
                st.sampled_from([None, 0.01, 1.0, 30.0]),  # first byte
                st.sampled_from([NOW, NOW, NOW + 1, NOW + 5]),  # back at
                st.sampled_from([None, 1, 5]),  # price
                st.sampled_from([None, 100]),  # window
            ),
            max_size=6,
        )
    )
    return [
        candidate(
            str(place), weight=weight, priority=priority, speaks=speaks, health=FakeHealth(running, seconds, at),
            rates=dollars and priced(dollars), context_window=window,
        )
        for place, (weight, priority, speaks, running, seconds, at, dollars, window) in enumerate(states)
    ]  # fmt: skip
