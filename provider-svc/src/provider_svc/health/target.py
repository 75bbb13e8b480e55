"""The health of one target: its breaker, its ejections, and how soon it begins to answer."""

from collections.abc import Callable

from chassis.config.providers import Breaker, Ejection
from chassis.errors import Reason
from provider_svc.health.breaker import Entry, State, TargetBreaker
from provider_svc.health.ejector import Ejector
from provider_svc.health.first_byte import FirstBytes
from provider_svc.health.outcome import Outcome
from provider_svc.health.pressure import Pressure

Tell = Callable[[str, str, float], None]


class TargetHealth:
    """One target, a provider's model. Times are seconds of a monotonic clock. `tell` hears provider, model and seconds once for
    each opening of the breaker and each ejection, not for what other replicas said.

    `running` counts the calls that are there now; `last_failure` says why the last one failed that did.
    """

    __slots__ = (
        "__weakref__",
        "_breaker",
        "_documents",
        "_ejector",
        "_pressure",
        "_streams",
        "_tell",
        "last_failure",
        "model",
        "provider",
        "running",
    )

    def __init__(
        self, provider: str, model: str, breaker: Breaker, ejection: Ejection, tell: Tell | None = None
    ) -> None:
        self.provider = provider
        self.model = model
        self.running = 0
        self.last_failure: Reason | None = None
        self._breaker = TargetBreaker(breaker)
        self._ejector = Ejector(ejection)
        self._pressure = Pressure()
        self._streams, self._documents = FirstBytes(), FirstBytes()
        self._tell = tell

    def configure(self, breaker: Breaker, ejection: Ejection) -> None:
        """Other settings hold from now on; what is open or ejected stays so for as long as it was said."""
        self._breaker.settings = breaker
        self._ejector.configure(ejection)

    def state(self, now: float) -> State:
        """How calls are kept from it. OPEN, too, while another replica's word holds, though it then admits probes."""
        state = self._breaker.state(now)
        return State.EJECTED if now < self._ejector.until and state is not State.OPEN else state

    def admits(self, now: float) -> bool:
        """Whether a call may go there now that is no last resort; changes nothing."""
        return now >= self._ejector.until and self._breaker.admits(now)

    def admits_resort(self, now: float) -> bool:
        """Whether a call may go there that nothing else can answer: some at once where its breaker is open, any number where it is only
        ejected, for who answers now and then is better than nobody."""
        return self._breaker.admits_resort(now)

    def is_well(self, now: float) -> bool:
        """Whether it admits calls, and did not just say that it has too much to do."""
        return now >= self._pressure.until and self.admits(now)

    def retry_at(self, now: float) -> float:
        """When it may be tried again; `now` while it admits."""
        return max(self._breaker.retry_at(now), self._ejector.until)

    def well_at(self, now: float) -> float:
        """When it is well again, if nothing else happens; `now` while it is."""
        return max(self.retry_at(now), self._pressure.until)

    def enter(self, now: float) -> Entry:
        """A call begins there, also as a last resort. Gives what `leave` wants to know of it."""
        self.running += 1
        return self._breaker.enter(now)

    def note_first_byte(self, seconds: float, now: float, *, stream: bool = True, entry: Entry | None = None) -> None:
        """An answer began, `seconds` after its call; a document is whole then, which takes longer than to begin a stream. Who begins to answer
        is well again: others do not wait until a long stream is over."""
        (self._streams if stream else self._documents).add(seconds, now)
        if entry is not None and self._breaker.is_in_doubt(entry, now) and self._breaker.note_answer():
            self._ejector.forget()
        self._pressure.note_answer(now - seconds)

    def note_pressure(self, hint: float | None, began: float, now: float) -> None:
        """It refused a call that began at `began`, for it has too much to do: others are asked before it for `hint` seconds; None: for a
        while."""
        self._pressure.note_refusal(hint, began, now)

    def leave(self, outcome: Outcome, now: float, reason: Reason | None = None, entry: Entry | None = None) -> None:
        """A call that entered ends. Without its `entry` it is taken for one that began since the last opening."""
        self.running -= 1
        if outcome is Outcome.FAILED:
            self.last_failure = reason
        breaker = self._breaker
        entry = breaker.guess_entry() if entry is None else entry
        if not breaker.leave(entry):
            return
        if outcome is Outcome.ANSWERED:
            if breaker.note_answer():
                self._ejector.forget()
            self._ejector.count(now, failed=False)
        elif outcome is Outcome.FAILED:
            self._note_failure(entry, now)

    def first_byte(self, now: float) -> float | None:
        """How soon an answer begins of late, in seconds: jumps to a peak and decays within 10 s or so; None before the first.
        Of documents where it brought no stream yet."""
        mean = self._streams.mean(now)
        return mean if mean is not None else self._documents.mean(now)

    def first_byte_p95(self, *, stream: bool = True) -> float | None:
        """Within how many seconds 95 % of the last 128 answers began; None before there are 20."""
        return self._streams.p95 if stream else self._documents.p95

    def hear_open(self, until: float, now: float) -> None:
        """Another replica's breaker is open. Until one of this replica's calls is answered, at most `until` and the longest pause, only as
        many calls go there at a time as probe a half-open breaker, and one of them that fails opens it here, too."""
        self._breaker.hear_open(until, now)

    def recent(self, now: float) -> tuple[int, int]:
        """How many calls were answered or failed within the ejection's interval, and how many of them failed. Those that began before
        the last opening or ejection do not count."""
        return self._ejector.recent(now)

    def _note_failure(self, entry: Entry, now: float) -> None:
        self._ejector.count(now, failed=True)
        seconds = self._breaker.note_failure(entry, now)
        if not self._breaker.is_open and (seconds := self._ejector.judge(now)):
            self._breaker.begin_epoch()
        if seconds and self._tell is not None:
            self._tell(self.provider, self.model, seconds)

    def __repr__(self) -> str:
        return (
            f"TargetHealth({self.provider}/{self.model}, {self.running} running, {self._breaker!r}, {self._ejector!r})"
        )
