"""Things that must not be forgotten early: bounded, and what has no place is refused."""

from typing import Generic, TypeVar

from cache_svc.expiry import Calendar
from chassis.clock import Clock
from chassis.errors import Reason, RunestoneError

T = TypeVar("T")
STEPS = 256  # of the calendar, each time that room is looked for


class Register(Generic[T]):
    """Values by key, each until its time; each operation is O(1) and never waits. `kind` is said in refusals."""

    def __init__(self, kind: str, max_entries: int, clock: Clock) -> None:
        self._kind = kind
        self._max_entries = max_entries
        self._clock = clock
        self._entries: dict[bytes, tuple[T, float]] = {}
        self._calendar = Calendar(clock.monotonic())

    def get(self, key: bytes) -> T | None:
        """What stands under the key and is not over."""
        value, expires_at = self._entries.get(key, (None, 0.0))
        return value if expires_at > self._clock.monotonic() else None

    def put(self, key: bytes, value: T, ttl: float) -> None:
        """Lets `value` stand under the key for `ttl` seconds, in place of what stood there. Raises OVERLOADED when full."""
        self.remove(key)
        if len(self._entries) >= self._max_entries:
            self.drop_expired()
        if len(self._entries) >= self._max_entries:
            message = (
                f"{self._max_entries} {self._kind} are remembered, which is all that may be (cache.state.max_size)"
            )
            raise RunestoneError(Reason.OVERLOADED, message, retry_after=1.0)
        expires_at = self._clock.monotonic() + ttl
        self._entries[key] = (value, expires_at)
        self._calendar.add(key, expires_at)

    def remove(self, key: bytes) -> None:
        """Lets nothing stand under the key."""
        if key in self._entries:
            self._calendar.remove(key, self._entries.pop(key)[1])

    def drop_expired(self, steps: int = STEPS) -> bool:
        """Drops what has been over for up to a second, in a bounded number of steps; says whether there may be more."""
        keys, has_more = self._calendar.take(self._clock.monotonic(), steps)
        for key in keys:
            del self._entries[key]
        return has_more

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"Register({len(self)} of {self._max_entries} {self._kind})"
