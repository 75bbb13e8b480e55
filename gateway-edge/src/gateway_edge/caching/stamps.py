"""What parts calls from those that were begun before a purge of their answer. Pure.

Calls share one only under the same stamp, so every edge has to come to the same: whichever log it heard first, where several
replicas tell of one purge, and whether it was there at all. So of each log the last change counts, and none counts for longer
than a call may run: then nobody is on its way any more who might have asked before.
"""

from collections import OrderedDict

from msgspec import Struct

from chassis.clock import Clock
from runestone.cache.v1.cache_pb2 import Mark

MOST = 4_096  # keys whose last change is remembered


class Heard(Struct, frozen=True):
    """A change, and when it was heard of (`Clock.monotonic`)."""

    version: int
    at: float


class Stamps:
    """The last changes of each log: of single keys, and of many at once. `longest_call` in seconds."""

    def __init__(self, clock: Clock, longest_call: float) -> None:
        self._clock = clock
        self._longest_call = longest_call
        self._wide: dict[str, Heard] = {}
        self._single: OrderedDict[bytes, dict[str, Heard]] = OrderedDict()

    def note(self, mark: Mark, key: bytes = b"") -> None:
        """A change that was about one key, or about nobody knows how many."""
        now = self._clock.monotonic()
        before = self._single.pop(key, {}) if key else self._wide
        after = {epoch: heard for epoch, heard in before.items() if self._counts(heard, now)}
        known = after.get(mark.epoch)  # replicas that share a log tell it twice
        if known is None or known.version < mark.version:
            after[mark.epoch] = Heard(mark.version, now)
        if not key:
            self._wide = after
            return
        self._single[key] = after
        if len(self._single) > MOST:
            self._single.popitem(last=False)

    def of(self, key: bytes) -> bytes:
        """The stamp of a key; empty for none."""
        if not self._wide and key not in self._single:
            return b""
        now, last = self._clock.monotonic(), dict[str, int]()
        for changes in (self._wide, self._single.get(key, {})):
            for epoch, heard in changes.items():
                if self._counts(heard, now):
                    last[epoch] = max(heard.version, last.get(epoch, 0))
        return b"".join(_write(epoch, last[epoch]) for epoch in sorted(last))

    def _counts(self, heard: Heard, now: float) -> bool:
        return now - heard.at < self._longest_call

    def __repr__(self) -> str:
        return f"Stamps({len(self._wide)} logs, {len(self._single)} keys)"


def _write(epoch: str, version: int) -> bytes:
    mark = Mark(epoch=epoch, version=version).SerializeToString(deterministic=True)
    return len(mark).to_bytes(4) + mark
