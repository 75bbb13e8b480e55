"""What one configured provider's models cost: what the configuration says first, then what is known of the provider."""

from collections.abc import Sequence
from typing import Protocol
from urllib.parse import urlsplit

from chassis.billing.price import FREE
from chassis.clock import Clock
from chassis.config.presets import find_address
from chassis.config.providers import Provider as Configured
from chassis.globs import Globs
from chassis.logs import Logger
from provider_svc.pricing.library import MAKERS, Library, Period, find_rates
from provider_svc.pricing.tariffs import rates_of_override
from runestone.common.v1.cost_pb2 import Rates

MOST = 1_024  # models of one provider that are remembered; names behind a wildcard come from clients


class Prices(Protocol):
    """What is asked of a provider's prices."""

    def find(self, model: str) -> Rates | None:
        """What the model costs now; None where that is not known."""

    async def settle(self) -> None:
        """Returns when all that can be known is."""


class ConfiguredPrices:
    """The prices of `configured`. A model's are found once and remembered. `library` is told at once where it will be asked."""

    def __init__(self, configured: Configured, library: Library, clock: Clock, log: Logger) -> None:
        self._configured = configured
        self._address = find_address(configured)
        self._overrides = [(Globs([one.model]), rates_of_override(one)) for one in configured.prices]
        self._is_free = is_free(configured)
        self._library = library if asks_library(configured) else None
        self._clock = clock
        self._log = log
        self._known: dict[str, Sequence[Period]] = {}
        if self._library is not None:
            self._library.want()

    def find(self, model: str) -> Rates | None:
        """See `Prices.find`. Says once of a model that its price is not known."""
        periods = self._known.get(model)
        if periods is None:
            if self._library is not None and self._library.is_reading:
                return None
            periods = self._remember(model, self._look_up(model))
        return find_rates(periods, self._clock.time())

    async def settle(self) -> None:
        """See `Prices.settle`: while the library is being read, its end."""
        if self._library is not None and self._library.is_reading:
            await self._library.wait()

    def _look_up(self, model: str) -> Sequence[Period]:
        for names, rates in self._overrides:
            if model in names:
                return (Period(None, rates),)
        if self._is_free:
            return (Period(None, FREE),)
        if self._library is None:
            return ()
        return self._library.list_periods(self._configured.kind, self._address, model)

    def _remember(self, model: str, periods: Sequence[Period]) -> Sequence[Period]:
        if len(self._known) >= MOST:
            del self._known[next(iter(self._known))]
        self._known[model] = periods
        if not any(period.rates for period in periods):
            message = "no price is known: its calls have no cost; `prices` of the provider can say it"
            self._log.warning(message, provider=self._configured.name, model=model[:200])
        return periods

    def __repr__(self) -> str:
        return f"ConfiguredPrices({self._configured.name}, {len(self._known)} models, {self._library!r})"


class NoPrices:
    """Nothing is known."""

    def find(self, model: str) -> Rates | None:  # noqa: ARG002  see `Prices`
        """None."""
        return None

    async def settle(self) -> None:
        """At once."""


def is_free(configured: Configured) -> bool:
    """Whether its calls cost nothing, as far as no price is given."""
    return configured.kind == "simulated" or configured.price == "free"


def asks_library(configured: Configured) -> bool:
    """Whether some model's price can only come from there, and may: not for a server in one's own house."""
    if is_free(configured) or any(prices.model == "*" for prices in configured.prices):
        return False
    return configured.kind in MAKERS or _is_public(find_address(configured))


def _is_public(address: str) -> bool:
    """Whether it names a host as a provider's address does, not by number and with a domain."""
    host = urlsplit(address).hostname or ""
    return "." in host and not host.replace(".", "").isdigit()
