"""Those who follow the log of changes through this service: how many, and for how long."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from cache_svc.changes import ChangeLog, Changes, Mark
from cache_svc.key_log import KeyLog, Names
from chassis.clock import Clock
from chassis.errors import Reason, RunestoneError
from chassis.limiter import ConcurrencyLimiter

MAX_WATCHERS = 1_000
SHORTEST, LONGEST = 40.0, 50.0  # seconds: apart, so that edges which began together do not all come back together


class Watches:
    """Opens watches of one log, and of the `names` of what is kept where they can be had. `span` says for how many seconds the next one lasts: a caller that comes back finds the replica
    that its connection leads to now. It ends with the message that comes after its time, at most a second later."""

    def __init__(
        self,
        log: ChangeLog,
        clock: Clock,
        *,
        span: Callable[[], float],
        names: KeyLog | None = None,
        max_watchers: int = MAX_WATCHERS,
    ) -> None:
        self._log = log
        self._names = names
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
        self._check_open()
        with self._places:
            until = self._clock.monotonic() + self._span()
            async with aclosing(self._log.follow(after)) as letters:
                async for changes in letters:
                    yield changes
                    if self._is_closed or self._clock.monotonic() >= until:
                        return

    async def open_names(self) -> AsyncGenerator[Names]:
        """What is kept, and what is stored. Raises UNIMPLEMENTED where that cannot be said, OVERLOADED and UNAVAILABLE as `open`."""
        if self._names is None:
            message = "what is kept cannot be named here: ask for every answer"
            raise RunestoneError(Reason.UNIMPLEMENTED, message, may_have_begun=False)
        self._check_open()
        with self._places:
            async with aclosing(self._names.follow(self._span())) as letters:
                async for names in letters:
                    yield names
                    if self._is_closed:
                        return

    async def close(self, _grace: float) -> None:
        """Ends every watch with its next message, so that nobody holds up the stop."""
        self._is_closed = True

    def _check_open(self) -> None:
        if self._is_closed:
            raise RunestoneError(Reason.UNAVAILABLE, "the service is stopping; watch another", may_have_begun=False)

    def __repr__(self) -> str:
        return f"Watches({self._places!r})"
