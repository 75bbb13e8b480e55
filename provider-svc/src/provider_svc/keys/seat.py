"""One key of a provider, and what is known of it. Pure but for the provider that it holds."""

from collections.abc import Iterator
from math import inf

from chassis.config.providers import Concurrency
from chassis.errors import Reason, RunestoneError
from provider_svc.keys.limit import Limit
from provider_svc.keys.pauses import Pauses
from provider_svc.provider import Provider

DISTRUST = 60.0  # seconds for which a key is left alone whose credentials were refused
WITHOUT_CREDENTIALS = (400, 401)  # 403 is said of what a good key may not have
UNAVAILABLE = 503  # sick, which is no pressure


class KeySeat:
    """A key by its configured `name`, and the `provider` that calls with it. `turn` is its place in the order among equals; `distrusted` is
    the time until which it is left alone while there is another."""

    __slots__ = ("distrusted", "limit", "name", "pauses", "provider", "running", "turn", "weight")

    def __init__(self, name: str, provider: Provider, settings: Concurrency, weight: int = 1) -> None:
        self.name = name
        self.provider = provider
        self.weight = weight
        self.limit = Limit(settings)
        self.pauses = Pauses()
        self.running = 0
        self.turn = 0.0
        self.distrusted = -inf

    def is_free(self, model: str, now: float) -> bool:
        """Whether a call for `model` may begin."""
        return self.running < self.limit.places and not (self.pauses and self.pauses.left(model, now))

    def note_answer(self, model: str, begun: float, now: float) -> None:
        """A call that began at `begun` is being answered."""
        self.limit.note_answer(self.running, begun, now)
        if self.pauses:
            self.pauses.note_answer(model, begun)

    def note_failure(self, model: str, error: RunestoneError, begun: float, now: float) -> bool:
        """A call that began at `begun` failed; whether the key is left alone from now on, for this model or at all."""
        match error.reason:
            case Reason.PROVIDER_RATE_LIMITED:
                self.limit.note_refusal(self.running, begun, now)
                return self.pauses.note_refusal(model, error.retry_after, begun, now)
            case Reason.PROVIDER_OVERLOADED if error.upstream_status != UNAVAILABLE:
                self.limit.note_refusal(self.running, begun, now)
            case Reason.PROVIDER_CREDENTIALS_REFUSED if error.upstream_status in WITHOUT_CREDENTIALS:
                was_trusted = self.distrusted <= now
                self.distrusted = now + DISTRUST
                return was_trusted
        return False

    def list_left(self, now: float) -> Iterator[float]:
        """Seconds that are left of each reason to leave it alone."""
        yield from self.pauses.list_left(now)
        if self.distrusted > now:
            yield self.distrusted - now

    def paused(self, now: float) -> float:
        """Seconds until it is left alone for nothing any more; 0 when it is not now."""
        return max(self.list_left(now), default=0.0)

    def __repr__(self) -> str:
        return f"KeySeat({self.name}, {self.running} running of {self.limit.places})"
