"""What is told of keys, by their names and never by themselves: metrics of each, and a warning when one is refused."""

from collections.abc import Sequence
from functools import partial

from chassis.errors import Reason
from chassis.logs import Logger
from chassis.metrics import Metrics
from provider_svc.keys.keyed import Keyed
from provider_svc.keys.seat import KeySeat


class KeyTelemetry:
    """The metrics of the keys of all providers that are open. After a reload a provider may be there twice for a while: what runs is then the
    sum, the limit that of the newer."""

    def __init__(self, metrics: Metrics, log: Logger) -> None:
        labels = ("provider", "key")
        self._limits = metrics.gauge("upstream_key_limit", "Upstream calls that a key may have at once", labels)
        self._running = metrics.gauge("upstream_key_running", "Upstream calls that a key has now", labels)
        self._pauses = metrics.counter("upstream_key_pauses", "How often a key was left alone for a while", labels)
        self._log = log
        self._open: dict[tuple[str, str], list[KeySeat]] = {}
        self._warned: set[tuple[str, str]] = set()

    def watch(self, keyed: Keyed) -> None:
        """Shows its keys, until `forget`."""
        for key in keyed.keys:
            labels = (keyed.name, key.name)
            seats = self._open.setdefault(labels, [])
            seats.append(key)
            self._limits.labels(*labels).set_function(partial(_find_limit, seats))
            self._running.labels(*labels).set_function(partial(_count_running, seats))

    def forget(self, keyed: Keyed) -> None:
        """It is closed."""
        for key in keyed.keys:
            labels = (keyed.name, key.name)
            seats = self._open.get(labels, [])
            if key in seats:
                seats.remove(key)
                self._warned.discard(labels)
            if not seats and self._open.pop(labels, None) is not None:
                self._limits.remove(*labels)
                self._running.remove(*labels)

    def note_pause(self, provider: str, key: str, reason: Reason) -> None:
        """See `Observer`. A refused key is told once, until the provider's settings change."""
        self._pauses.labels(provider, key).inc()
        if reason is Reason.PROVIDER_CREDENTIALS_REFUSED and (provider, key) not in self._warned:
            self._warned.add((provider, key))
            self._log.warning("a provider refused a key; the operator must check it", provider=provider, key=key)


def _find_limit(seats: Sequence[KeySeat]) -> int:
    return seats[-1].limit.places


def _count_running(seats: Sequence[KeySeat]) -> int:
    return sum(seat.running for seat in seats)
