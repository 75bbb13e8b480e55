"""A circuit breaker: turns slow into down, and down into about nothing."""

from chassis.clock import Clock, SystemClock


class Breaker:
    """Opens after `threshold` failures in a row, lets one probe through after each `pause` seconds, closes when one succeeds."""

    def __init__(self, *, threshold: int = 5, pause: float = 1.0, clock: Clock | None = None) -> None:
        self._threshold = threshold
        self._pause = pause
        self._clock = clock or SystemClock()
        self._failures = 0
        self._retry_at = 0.0

    @property
    def is_open(self) -> bool:
        """Whether calls are refused for now."""
        return self._failures >= self._threshold

    def admits(self) -> bool:
        """Whether a call may be tried now: always while closed, one probe a pause while open."""
        if not self.is_open:
            return True
        now = self._clock.monotonic()
        if now < self._retry_at:
            return False
        self._retry_at = now + self._pause
        return True

    def succeeded(self) -> None:
        """A call was answered: close."""
        self._failures = 0

    def failed(self) -> None:
        """A call was not answered in time."""
        self._failures += 1
        if self.is_open:
            self._retry_at = self._clock.monotonic() + self._pause

    def __repr__(self) -> str:
        return f"Breaker({'open' if self.is_open else 'closed'}, {self._failures} failures in a row)"
