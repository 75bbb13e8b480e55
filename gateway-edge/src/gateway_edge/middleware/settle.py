"""What it came to: tokens and time, counted on every way out."""

from typing import Protocol

from chassis.metrics import Metrics
from gateway_edge.call import Call
from gateway_edge.middleware.base import Proceed

DIRECTIONS = ("input", "output")


class CountsUsage(Protocol):
    """Who counts what tenants use."""

    def note_usage(self, call: Call) -> None:
        """Counts what a call used."""


class Settle:
    """Counts what the call used: done, failed, cancelled or cut. A hit uses nothing of the provider."""

    name = "settle"

    def __init__(self, metrics: Metrics, tenants: CountsUsage) -> None:
        self._tenants = tenants
        self._tokens = metrics.counter("tokens", "Tokens that providers counted", ("provider", "direction"))
        self._unmetered = metrics.counter("calls_unmetered", "Provider answers without usage", ("provider",))

    async def __call__(self, call: Call, proceed: Proceed) -> None:
        """Settles after the rest."""
        try:
            await proceed(call)
        finally:
            self._settle(call)

    def _settle(self, call: Call) -> None:
        outcome = call.outcome
        if not outcome.attempts or call.resource is not None:  # what is stored was counted when it was made
            return
        if call.followed is not None and not call.followed.settles:  # whoever began the stream counts it
            return
        self._tenants.note_usage(call)
        if outcome.usage is None:
            self._unmetered.labels(outcome.provider).inc()
            return
        for direction in DIRECTIONS:
            self._tokens.labels(outcome.provider, direction).inc(getattr(outcome.usage, f"{direction}_tokens"))
