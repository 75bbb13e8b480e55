"""What replicas tell each other of open breakers."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from chassis.bell import Bell
from chassis.clock import Clock
from chassis.metric_families import Counter
from chassis.metrics import Metrics
from provider_svc.hints.book import Book, Warned
from provider_svc.hints.heard import Heard
from provider_svc.hints.outbox import Letter, Outbox
from provider_svc.hints.target_key import read_key, write_key
from runestone.hint.v1.hint_pb2 import Hint

LONGEST = 300.0  # seconds that a hint may hold


@dataclass(frozen=True, slots=True)
class Counts:
    """How many hints went which way."""

    told: Counter
    heard: Counter
    dropped: Counter

    @classmethod
    def of(cls, metrics: Metrics) -> Self:
        """The service's own."""
        return cls(
            told=metrics.counter("hints_told", "Openings of breakers that other replicas were told of"),
            heard=metrics.counter("hints_heard", "Openings of other replicas' breakers that were news here"),
            dropped=metrics.counter(
                "hints_dropped", "Openings that nobody was told of: too many, too late, or refused"
            ),
        )


class Hints:
    """The state of a breaker is this replica's own; that it has opened is let known, and heard of. Nothing here waits, and nothing
    depends on a hint: one that is lost costs the others what it would have cost without.

    `sender` is random, and no other process's: hints under it are this one's own.
    """

    def __init__(self, book: Book, clock: Clock, counts: Counts, sender: str) -> None:
        self._book = book
        self._clock = clock
        self._counts = counts
        self._heard = Heard()
        self.sender = sender
        self.outbox = Outbox()
        self.news = Bell()  # rings when there is something to tell
        book.on_open = self.tell

    def tell(self, provider: str, model: str, seconds: float) -> None:
        """Lets the others know, in the background, that a target is open for `seconds` from now, five minutes at the most. Never
        waits and never raises; what there is no room for is dropped, and counted."""
        key = write_key(provider, model)
        until = self._clock.monotonic() + min(seconds, LONGEST)
        if key is not None and self.outbox.put(Letter(key, until)):
            self.news.ring()
        else:
            self._counts.dropped.inc()

    def recall(self, provider: str, model: str) -> float | None:
        """Until when (the clock's monotonic seconds) another replica says that a target is open: for one that is first used now. None
        where nobody does, or not any more."""
        return self._heard.find((provider, model), self._clock.monotonic())

    def warn(self, target: Warned) -> None:
        """Lets a target that is first used now hear what was said of it before."""
        until = self.recall(target.provider, target.model)
        if until is not None:
            target.hear_open(until, self._clock.monotonic())

    def hear(self, hints: Iterable[Hint]) -> None:
        """What others told. Own hints, and those that were heard before, change nothing."""
        for hint in hints:
            target = read_key(hint.key)
            if target is not None and hint.sender != self.sender:
                self._hear(target, min(hint.ttl.ToNanoseconds() / 1e9, LONGEST))

    def _hear(self, target: tuple[str, str], seconds: float) -> None:
        now = self._clock.monotonic()
        if seconds <= 0 or not self._heard.note(target, now + seconds, now):
            return
        self._counts.heard.inc()
        known = self._book.find(*target)
        if known is not None:
            known.hear_open(now + seconds, now)

    def __repr__(self) -> str:
        return f"Hints({self.outbox!r}, {self._heard!r})"
