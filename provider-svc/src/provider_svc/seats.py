"""The providers of a snapshot, opened, and the routes to them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from chassis.config.catalog import Catalog
from chassis.config.models import Target
from chassis.config.provider_keys import list_keys
from chassis.config.providers import Provider as Configured
from provider_svc.pricing.prices import NoPrices, Prices
from provider_svc.provider import Provider
from runestone.common.v1.dialect_pb2 import Dialect

if TYPE_CHECKING:
    from provider_svc.attempts.asking import Asking
    from provider_svc.attempts.stop import Stop


class Seat:
    """One provider, what it speaks, how many keys it has, what its models cost, and how many snapshots hold it."""

    __slots__ = ("configured", "dialects", "holders", "keys", "prices", "provider")

    def __init__(self, configured: Configured, provider: Provider, prices: Prices | None = None) -> None:
        self.configured = configured
        self.provider = provider
        self.prices = prices or NoPrices()
        self.dialects = provider.dialects
        self.keys = len(list_keys(configured)) or 1
        self.holders = 0


class Routes:
    """What one snapshot says: which targets answer for a model, and who they are. `stacks` is what stands around the upstream calls of each
    route, `stops` where they go, as they were found last. `calls` is how many run under it; when it `is_dropped` none begins any more."""

    __slots__ = ("calls", "catalog", "is_dropped", "seats", "stacks", "stops")

    def __init__(self, catalog: Catalog, seats: Mapping[str, Seat]) -> None:
        self.catalog = catalog
        self.seats = seats
        self.stacks: dict[tuple[str, str], Asking] = {}
        self.stops: dict[tuple[str, Dialect.ValueType], tuple[tuple[Target, ...], Sequence[Stop]]] = {}
        self.calls = 0
        self.is_dropped = False
