"""From a provider's configuration to the thing that calls it: one table of kinds, and what is around each."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from weakref import WeakSet

from msgspec.structs import replace

from chassis.clock import Clock
from chassis.config.presets import find_address
from chassis.config.provider_keys import UNNAMED, list_keys
from chassis.config.providers import Provider as Configured
from chassis.metrics import Metrics
from provider_svc.anthropic.provider import AnthropicProvider
from provider_svc.batching.provider import Batching
from provider_svc.connection_metrics import ConnectionMetrics
from provider_svc.keys.keyed import Keyed, KeyState
from provider_svc.keys.seat import KeySeat
from provider_svc.keys.telemetry import KeyTelemetry
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
    """Opens providers inside a running loop. `note_batch` is told the provider and how many calls each time that several were answered
    by one, `keys` what becomes of keys; `connections` shows the connections of those that live."""

    def __init__(
        self,
        clock: Clock,
        note_batch: Callable[[str, int], None] = lambda _provider, _calls: None,
        keys: KeyTelemetry | None = None,
        connections: ConnectionMetrics | None = None,
    ) -> None:
        self._clock = clock
        self._note_batch = note_batch
        self._keys = keys
        self.connections = connections or ConnectionMetrics(Metrics())
        self._keyed: WeakSet[Keyed] = WeakSet()

    def open(self, configured: Configured) -> Provider:
        """The provider for `configured`: what translates, around what asks together where that is wanted, around what chooses a key, around
        what calls with one. All keys share one connection pool."""
        keyed = Keyed(
            configured.name,
            list(self._open_keys(configured)),
            self._clock,
            configured.concurrency,
            patience=configured.timeouts.connect,
            observer=self._keys,
        )
        self._keyed.add(keyed)
        inner: Provider = keyed
        if configured.batching.window:
            inner = Batching(inner, configured.batching, partial(self._note_batch, configured.name))
        return Translating(inner, self._clock)

    def _open_keys(self, configured: Configured) -> Iterator[KeySeat]:
        """A seat for each key; one for who has none."""
        open_one = self._find_opener(configured)
        for key in list_keys(configured):
            single = replace(configured, api_key=key.key, api_keys=[])
            yield KeySeat(key.name, open_one(single), configured.concurrency, key.weight)
        if not list_keys(configured):
            yield KeySeat(UNNAMED, open_one(replace(configured, api_keys=[])), configured.concurrency)

    def _find_opener(self, configured: Configured) -> Callable[[Configured], Provider]:
        """What gives the provider with one key."""
        if configured.kind == "simulated":
            return lambda single: SimulatedProvider(single.name, single, self._clock)
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
        return lambda single: BY_KIND[single.kind](single.name, single, upstream, self._clock)

    def list_keys_of(self, provider: str) -> list[KeyState]:
        """The keys of one provider now, in the configuration's order. After a reload it may be open twice for a while: they are added up."""
        opened = [keyed.statistics() for keyed in self._keyed if keyed.name == provider]
        names = dict.fromkeys(key.name for keys in opened for key in keys)
        return [_add_up([key for keys in opened for key in keys if key.name == name]) for name in names]


def _add_up(keys: Sequence[KeyState]) -> KeyState:
    """One key, as several that are open use it."""
    return KeyState(
        keys[0].name,
        running=sum(key.running for key in keys),
        limit=max(key.limit for key in keys),
        waiting=sum(key.waiting for key in keys),
        paused=max(key.paused for key in keys),
    )
