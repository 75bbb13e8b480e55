"""One call's way to its answer: the routes that it may take, and the upstream calls that were made."""

from collections.abc import Callable, Iterator

from chassis.errors import Reason, RunestoneError
from provider_svc.attempts.ask import Ask
from provider_svc.attempts.attempt import Attempt
from provider_svc.attempts.leg import Leg, Step
from provider_svc.attempts.stop import Stop
from provider_svc.dialects.weaving import Weaving

MOST = 16  # upstream calls for one call, whatever is configured


class Journey:
    """`leg` is the route that is asked now; `more` makes those of its fallbacks as they are needed. `attempts` grows as upstream calls are
    made, and `is_new` until the first is chosen; `step` is where the next goes, None for the first of the leg; `weaving` is the stream that several may bring, where several may."""

    __slots__ = ("_leave", "_more", "_next", "ask", "attempts", "is_new", "leg", "step", "weaving")

    def __init__(
        self, ask: Ask, attempts: list[Attempt], leg: Leg, more: Iterator[Leg], leave: Callable[[], None]
    ) -> None:
        self.ask = ask
        self.attempts = attempts
        self.is_new = True
        self.leg = leg
        self.step: Step | None = None
        self.weaving: Weaving | None = None
        self._more = more
        self._next: Leg | None = None
        self._leave = leave

    @property
    def is_exhausted(self) -> bool:
        """Whether as many upstream calls were made as may be for one call."""
        return len(self.attempts) >= MOST

    def take_next_leg(self) -> bool:
        """Goes on with the next route; False when there is none."""
        if self._has_more and self._next is not None:
            self.leg, self.step, self._next = self._next, None, None
            return True
        return False

    def depart(self, now: float) -> Attempt:
        """The next upstream call, at the step that was chosen, else at the first of the leg.

        Raises PROVIDER_OVERLOADED, with the time until one is tried again, when all targets are left alone: a last resort is asked only
        where no other route is left.
        """
        self.is_new = False
        step, self.step = self.step or self.leg.begin(now), None
        if step is None and not self._has_more:
            step = self.leg.begin_anyhow(now)
        if step is None:
            message = f"every target of {self.leg.route!r} failed too often and is left alone for a moment"
            raise RunestoneError(
                Reason.PROVIDER_OVERLOADED, message, retry_after=self.leg.tell_when(now), may_have_begun=False
            )
        return self.visit(step.stop, step.why, now)

    def go_on(self, error: RunestoneError, now: float) -> Step | None:
        """Where the call goes behind its last failure, on this route; a last resort only where no other is left."""
        step = self.leg.go_on(error, now)
        return self.leg.go_on_anyhow(error, now) if step is None and not self._has_more else step

    @property
    def _has_more(self) -> bool:
        """Whether there is another route. The next is made with this: it is ranked as things are now."""
        if self._next is None:
            self._next = next(self._more, None)
        return self._next is not None

    def visit(self, stop: Stop, why: str, now: float) -> Attempt:
        """An upstream call to one of the leg's targets."""
        call = self.ask.of(stop.target.model, is_strict=self.leg.is_strict, weaving=self.weaving)
        attempt = Attempt(stop, call, route=self.leg.route, why=why, started=now, number=len(self.attempts) + 1)
        self.attempts.append(attempt)
        return attempt

    def end(self) -> None:
        """The call is over: its snapshot's providers may be closed."""
        self._leave()

    def __repr__(self) -> str:
        return f"Journey({self.leg.route}, {self.attempts!r})"
