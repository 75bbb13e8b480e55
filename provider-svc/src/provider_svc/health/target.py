"""What is known of one target."""

from collections.abc import Callable

from chassis.config.providers import Provider as Configured
from chassis.errors import Reason
from provider_svc.health.breaker import Breaker, State
from provider_svc.health.ejection import Ejection
from provider_svc.health.latency import PeakEwma, Percentile
from provider_svc.health.outcome import Outcome

OnOpen = Callable[[str, str, float], None]  # provider, model, seconds for which it is left alone


class TargetHealth:
    """One target, all its calls in this process. A call that is begun (`enter`) is ended (`leave`), however it went."""

    __slots__ = (
        "_breaker",
        "_ejection",
        "_first_byte",
        "_on_open",
        "_p95",
        "last_failure",
        "model",
        "provider",
        "running",
    )

    def __init__(self, configured: Configured, model: str, on_open: OnOpen) -> None:
        self.provider = configured.name
        self.model = model
        self.running = 0
        self.last_failure: Reason | None = None
        self._breaker = Breaker(configured.breaker)
        self._ejection = Ejection(configured.ejection)
        self._first_byte = PeakEwma()
        self._p95 = {True: Percentile(), False: Percentile()}
        self._on_open = on_open

    def configure(self, configured: Configured) -> None:
        """Goes on under the settings of now."""
        self._breaker.settings, self._ejection.settings = configured.breaker, configured.ejection

    def state(self, now: float) -> State:
        """Whether calls go there."""
        state = self._breaker.state(now)
        return State.EJECTED if state is State.CLOSED and now < self._ejection.until else state

    def admits(self, now: float) -> bool:
        """Whether a call may go there now; changes nothing."""
        return now >= self._ejection.until and self._breaker.admits(now)

    def retry_at(self, now: float) -> float:
        """When one may go there; `now` while one may."""
        return now if self.admits(now) else max(now, self._ejection.until, self._breaker.until)

    def enter(self, now: float) -> None:
        """A call begins there, also one that goes there for want of any other."""
        self.running += 1
        self._breaker.enter(now)

    def note_first_byte(self, seconds: float, now: float, *, stream: bool) -> None:
        """An answer has begun; of a stream sooner than of a document, which is whole then."""
        self._first_byte.add(seconds, now)
        self._p95[stream].add(seconds)

    def leave(self, outcome: Outcome, now: float, *, started: float, reason: Reason | None = None) -> None:
        """A call is over that began at `started`; `reason` is why it failed."""
        self.running -= 1
        if outcome is Outcome.FAILED:
            self.last_failure = reason
        left_alone = self._breaker.leave(outcome, started, now)
        if outcome is Outcome.ANSWERED or outcome is Outcome.FAILED:
            left_alone = self._ejection.note(now, failed=outcome is Outcome.FAILED) or left_alone
        if left_alone:
            self._on_open(self.provider, self.model, left_alone)

    def first_byte(self, now: float) -> float | None:
        """How many seconds an answer takes to begin of late: a moving average of the peaks; None before the first."""
        return self._first_byte.read(now)

    def first_byte_p95(self, *, stream: bool) -> float | None:
        """Within how many seconds 95 % of the answers begin; None while that is not known."""
        return self._p95[stream].read()

    def recent(self, now: float) -> tuple[int, int]:
        """Calls that ended within the ejection's interval, and those of them that failed."""
        return self._ejection.recent(now)

    def hear_open(self, until: float, now: float) -> None:
        """Another replica leaves this target alone until then: a hint. Until one is answered only a few calls at once go there."""
        self._breaker.suspect(until, now)

    def __repr__(self) -> str:
        return (
            f"TargetHealth({self.provider}/{self.model}, {self.running} running, {self._breaker!r}, {self._ejection!r})"
        )
