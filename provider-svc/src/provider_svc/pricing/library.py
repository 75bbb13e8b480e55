"""The prices that `genai-prices` has gathered, by provider and model.

It is a table of 1.6 MB in Python and imports pydantic: 0.2 s of CPU and 15 MB. So it is imported in a thread, and only where a
configured provider's prices are asked of it.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from provider_svc.pricing.tariffs import rates_of_library
from runestone.common.v1.cost_pb2 import Rates

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo

MAKERS = ("openai", "anthropic")  # kinds that say who answers, whatever the address


class Constraint(Protocol):
    """When a price holds."""

    def active(self, request_timestamp: datetime, /) -> bool:
        """Whether it does at a time."""


class Period(NamedTuple):
    """Rates and when they hold; None: always."""

    constraint: Constraint | None
    rates: Rates | None


class Library:
    """Read once, when the first provider wants it. `spawn` owns reading in the background."""

    def __init__(self, spawn: Callable[[Coroutine[Any, Any, None], str], None]) -> None:
        self._spawn = spawn
        self._snapshot: DataSnapshot | None = None
        self._is_wanted = False
        self._is_settled = asyncio.Event()

    def want(self) -> None:
        """Begins to read, unless it has begun."""
        if not self._is_wanted:
            self._is_wanted = True
            self._spawn(self._read(), "prices")

    @property
    def is_reading(self) -> bool:
        """Whether it was begun and is not there yet."""
        return self._is_wanted and not self._is_settled.is_set()

    async def wait(self) -> None:
        """Returns when it is there, or cannot be read."""
        await self._is_settled.wait()

    def list_periods(self, kind: str, base_url: str, model: str) -> Sequence[Period]:
        """What a provider's model costs, and when; the last period that holds counts, else the first. Empty where it is not known.

        Who answers is told by the address, else by the kind: the same model costs something else elsewhere.
        """
        assert self._snapshot is not None, "nobody asks before it is there"
        found = self._find_model(self._snapshot, kind, base_url, model)
        return _read_periods(found) if found is not None else ()

    @staticmethod
    def _find_model(snapshot: "DataSnapshot", kind: str, base_url: str, model: str) -> "ModelInfo | None":
        try:
            provider = snapshot.find_provider(None, None, base_url)
        except LookupError:
            if kind not in MAKERS:
                return None
            provider = snapshot.find_provider(None, kind, None)
        return provider.find_model(model, all_providers=snapshot.providers)

    async def _read(self) -> None:
        try:
            self._snapshot = await asyncio.to_thread(_import_snapshot)
        finally:
            self._is_settled.set()

    def __repr__(self) -> str:
        state = "there" if self._snapshot is not None else "being read" if self.is_reading else "not wanted"
        return f"Library({state})"


def find_rates(periods: Sequence[Period], at: float) -> Rates | None:
    """What holds at a time (seconds since the epoch)."""
    if len(periods) > 1:
        moment = datetime.fromtimestamp(at, UTC)
        for period in reversed(periods):
            if period.constraint is None or period.constraint.active(moment):
                return period.rates
    return periods[0].rates if periods else None


def _import_snapshot() -> "DataSnapshot":
    from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415  costs 0.2 s: in a thread, where wanted

    return get_snapshot()


def _read_periods(model: "ModelInfo") -> Sequence[Period]:
    prices = model.prices
    if isinstance(prices, list):
        return tuple(Period(one.constraint, rates_of_library(one.prices)) for one in prices)
    return (Period(None, rates_of_library(prices)),)
