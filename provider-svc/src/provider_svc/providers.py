"""From a provider's configuration to the thing that calls it: one table of kinds."""

from collections.abc import Callable

from chassis.clock import Clock
from chassis.config.presets import find_address
from chassis.config.providers import Provider as Configured
from chassis.metrics import Metrics
from provider_svc.anthropic.provider import AnthropicProvider
from provider_svc.connection_metrics import ConnectionMetrics
from provider_svc.openai.provider import OpenAIProvider
from provider_svc.provider import Provider
from provider_svc.simulated.provider import SimulatedProvider
from provider_svc.translating import Translating
from provider_svc.upstream import Upstream

BY_KIND: dict[str, Callable[[str, Configured, Upstream, Clock], Provider]] = {
    "openai": OpenAIProvider,
    "openai_compatible": OpenAIProvider,
    "anthropic": AnthropicProvider,
}


class ProviderFactory:
    """Opens providers inside a running loop. Their connections are shown by `connections`."""

    def __init__(self, clock: Clock, connections: ConnectionMetrics | None = None) -> None:
        self._clock = clock
        self.connections = connections or ConnectionMetrics(Metrics())

    def open(self, configured: Configured) -> Provider:
        """The provider for `configured`, with a connection pool of its own where it needs one; around it what translates for it."""
        return Translating(self._open(configured), self._clock)

    def _open(self, configured: Configured) -> Provider:
        if configured.kind == "simulated":
            return SimulatedProvider(configured.name, configured, self._clock)
        upstream = Upstream(
            configured.name,
            find_address(configured),
            configured.timeouts,
            ca=configured.ca,
            proxy=configured.proxy or "",
            connections=configured.connections,
            counts=self.connections.counts(configured.name),
        )
        self.connections.watch(upstream)
        return BY_KIND[configured.kind](configured.name, configured, upstream, self._clock)
