"""From a provider's configuration to the thing that calls it: one table of kinds."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from weakref import WeakSet

from chassis.clock import Clock
from chassis.config.presets import find_address
from chassis.config.providers import Provider as Configured
from provider_svc.anthropic.provider import AnthropicProvider
from provider_svc.batching.provider import Batching
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
    """Opens providers inside a running loop, and counts the connections of those that live. `note_batch` is told the provider and how many
    calls each time that several were answered by one."""

    def __init__(self, clock: Clock, note_batch: Callable[[str, int], None] = lambda _provider, _calls: None) -> None:
        self._clock = clock
        self._note_batch = note_batch
        self._upstreams: WeakSet[Upstream] = WeakSet()

    def open(self, configured: Configured) -> Provider:
        """The provider for `configured`, with a connection pool of its own where it needs one; around it what asks together, where that is
        wanted, and what translates for it."""
        inner = self._open(configured)
        if configured.batching.window:
            inner = Batching(inner, configured.batching, partial(self._note_batch, configured.name))
        return Translating(inner, self._clock)

    def _open(self, configured: Configured) -> Provider:
        if configured.kind == "simulated":
            return SimulatedProvider(configured.name, configured, self._clock)
        upstream = Upstream(
            configured.name,
            find_address(configured),
            configured.timeouts,
            ca=configured.ca,
            proxy=configured.proxy or "",
        )
        self._upstreams.add(upstream)
        return BY_KIND[configured.kind](configured.name, configured, upstream, self._clock)

    def count_connections(self) -> int:
        """Open connections to providers, idle ones included."""
        return sum(upstream.statistics()["connections"] for upstream in self._upstreams)

    def count_connections_of(self, provider: str) -> Counter[str]:
        """What the connections to one provider do now, by what they do."""
        numbers = Counter[str]()
        for upstream in self._upstreams:
            if upstream.name == provider:
                numbers.update(upstream.statistics())
        return numbers
