"""Those who follow the log of changes through this service: how many, and for how long."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from cache_svc.changes import ChangeLog, Changes, Mark
from chassis.clock import Clock
from chassis.errors import Reason, RunestoneError
from chassis.limiter import ConcurrencyLimiter

MAX_WATCHERS = 1_000
SHORTEST, LONGEST = 40.0, 50.0  # seconds: apart, so that edges which began together do not all come back together


class Watches:
    """Opens watches of one log. `span` says for how many seconds the next one lasts: a caller that comes back finds the replica
    that its connection leads to now. It ends with the message that comes after its time, at most a second later."""

    def __init__(
        self, log: ChangeLog, clock: Clock, *, span: Callable[[], float], max_watchers: int = MAX_WATCHERS
    ) -> None:
        self._log = log
        self._clock = clock
        self._span = span
        self._places = ConcurrencyLimiter(max_watchers)
        self._is_closed = False

    @property
    def running(self) -> int:
        """Watchers now."""
        return self._places.running

    async def open(self, after: Mark | None) -> AsyncGenerator[Changes]:
        """What changes behind `after`. Raises OVERLOADED when as many watch as may, UNAVAILABLE when the service stops or the
        log is out of reach."""
        if self._is_closed:
            raise RunestoneError(Reason.UNAVAILABLE, "the service is stopping; watch another", may_have_begun=False)
        with self._places:
            until = self._clock.monotonic() + self._span()
            async with aclosing(self._log.follow(after)) as letters:
                async for changes in letters:
                    yield changes
                    if self._is_closed or self._clock.monotonic() >= until:
                        return

    async def close(self, _grace: float) -> None:
        """Ends every watch with its next message, so that nobody holds up the stop."""
        self._is_closed = True

    def __repr__(self) -> str:
        return f"Watches({self._places!r})"
