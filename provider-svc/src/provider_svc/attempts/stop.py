"""A target where calls may go."""

from provider_svc.health.target import TargetHealth
from provider_svc.routing import Candidate
from provider_svc.seats import Seat


class Stop(Candidate, frozen=True, eq=False, gc=False, kw_only=True):
    """A candidate with its provider. `label` is its model where names have to be bounded: as the configuration has it, `*` for what clients
    name."""

    health: TargetHealth
    seat: Seat
    label: str
