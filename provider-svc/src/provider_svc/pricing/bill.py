"""What one upstream call has come to. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

from chassis.billing.estimate import Passed, fill_in
from chassis.billing.price import FREE, cost_of
from chassis.billing.total import add_up
from provider_svc.pricing.prices import Prices
from provider_svc.provider import UpstreamCall
from runestone.common.v1.cost_pb2 import Cost, Rates
from runestone.common.v1.usage_pb2 import Usage


class Owed(NamedTuple):
    """Tokens as far as they are known, and what they cost where the price is known, too."""

    usage: Usage | None = None
    cost: Cost | None = None


NOTHING = Owed()


def add_owed(parts: Sequence[Owed]) -> Owed:
    """What several upstream calls came to together, each at its own rates; no cost where one of theirs is not known."""
    if len(parts) == 1:
        return parts[0]
    counted = [part.usage for part in parts if part.usage is not None]
    costs = [part.cost for part in parts if part.cost is not None]
    usage = add_up(*counted) if counted else None
    if len(costs) < len(parts):
        return Owed(usage)
    is_estimated = any(cost.is_estimated for cost in costs)
    return Owed(usage, Cost(nano_usd=sum(cost.nano_usd for cost in costs), is_estimated=is_estimated))


class Bill:
    """One call's, at the prices that hold when they are first asked for."""

    __slots__ = ("_call", "_prices", "_rates")

    def __init__(self, call: UpstreamCall, prices: Prices) -> None:
        self._call = call
        self._prices = prices
        self._rates: Rates | None = None

    @property
    def rates(self) -> Rates | None:
        """What the model costs; None while that is not known."""
        if self._rates is None:
            self._rates = self._prices.find(self._call.model)
        return self._rates

    @property
    def is_stream(self) -> bool:
        """Whether somebody may leave in the middle, and want to know what passed."""
        return self._call.stream

    @property
    def news(self) -> Usage | None:
        """What the provider has counted on the way; None before it did, and when it has counted all."""
        meter = self._call.meter
        return None if meter.finish_reason else meter.usage

    async def settle(self) -> None:
        """Returns when the price is known, if it ever is."""
        if self._rates is None:
            await self._prices.settle()

    def close(self) -> Owed:
        """Of a call that is whole, or whose usage the provider has counted to its end: that."""
        return self._owe(self._call.meter.usage)

    def estimate(self, passed: Passed) -> Owed:
        """Of one that ended early, when its answer had begun. Only of what is a stream upstream it can be told what passed."""
        call, meter = self._call, self._call.meter
        came = passed if call.stream else meter.passed
        if came is None or call.form or (meter.finish_reason and meter.usage is not None):
            return self.close()
        return self._owe(fill_in(meter.usage, map(bytes, call.members.values()), came))

    def _owe(self, usage: Usage | None) -> Owed:
        """What is free costs nothing, whether or not somebody counted."""
        return Owed(usage, Cost() if self.rates is FREE else cost_of(self.rates, usage))
