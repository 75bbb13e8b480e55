"""The values of routing: who could answer a call, what is known of them, and what came of it."""

from collections.abc import Callable
from typing import Generic, NamedTuple, Protocol, TypeVar

import msgspec

from chassis.config.models import Target
from provider_svc.routing.needs import Needs
from runestone.common.v1.cost_pb2 import Rates


class Health(Protocol):
    """What routing asks of a target's health. Times are seconds of one monotonic clock."""

    @property
    def running(self) -> int:
        """Calls that run there now."""

    def admits(self, now: float) -> bool:
        """Whether a call may go there now."""

    def is_well(self, now: float) -> bool:
        """Whether it does, and has not too much to do: others are asked after all that are well."""

    def retry_at(self, now: float) -> float:
        """When one may go there; `now` while one may."""

    def well_at(self, now: float) -> float:
        """When it is well; `now` while it is."""

    def first_byte(self, now: float) -> float | None:
        """How many seconds an answer takes to begin of late; None before the first."""


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """One of a route's targets. `speaks`: whether it has the call's endpoint; `find_rates` gives what its model costs, None where that is
    not known, and is called only where the cheapest is looked for."""

    target: Target
    health: Health
    speaks: bool
    find_rates: Callable[[], Rates | None]


class Occasion(NamedTuple):
    """The call that a strategy orders targets for. `unit`: what sticks to one target, empty for nothing; `draw` gives numbers in [0, 1)."""

    needs: Needs | None
    unit: bytes
    draw: Callable[[], float]
    now: float


C = TypeVar("C", bound=Candidate)


class Choice(NamedTuple, Generic[C]):
    """A candidate in its place. `why`: the strategy that put it there, or "only". A last resort is left alone, because it fails or has too much
    to do: it is asked when nothing else is left."""

    candidate: C
    why: str
    is_last_resort: bool

    @property
    def target(self) -> Target:
        """The candidate's."""
        return self.candidate.target


class Ranking(NamedTuple, Generic[C]):
    """The order in which targets are asked, and those that cannot be asked, each with a sentence without its subject."""

    choices: tuple[Choice[C], ...]
    excluded: tuple[tuple[Target, str], ...]
