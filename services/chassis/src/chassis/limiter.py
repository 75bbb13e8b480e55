"""A bound on running calls.

grpc.aio's own `maximum_concurrent_rpcs` has let calls through after its first rejected wave (grpc issue 41531).
"""

from types import TracebackType

from chassis.errors import Reason, RunestoneError


class ConcurrencyLimiter:
    """A context manager around each call; entering it above the bound raises OVERLOADED at once, nothing waits."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._running = 0
        self._refused = 0

    @property
    def running(self) -> int:
        """Calls inside now."""
        return self._running

    def __enter__(self) -> None:
        if self._running >= self._limit:
            self._refused += 1
            raise RunestoneError(Reason.OVERLOADED, f"all {self._limit} places are taken; try again", retry_after=1.0)
        self._running += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running -= 1

    def __repr__(self) -> str:
        return f"ConcurrencyLimiter({self._running}/{self._limit} running, {self._refused} refused)"
