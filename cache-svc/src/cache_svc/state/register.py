"""Things that must not be forgotten early: bounded, for all and for each owner, and what has no place is refused."""

from collections import Counter
from typing import Generic, TypeVar

from cache_svc.expiry import Calendar
from chassis.clock import Clock
from chassis.errors import Reason, RunestoneError

T = TypeVar("T")
STEPS = 256  # of the calendar, each time that room is looked for


class Register(Generic[T]):
    """Values by key, each until its time; each operation is O(1) and never waits. `kind` is said in refusals. No owner has
    more than `max_share` of the entries (absent: all), so that none takes the room of the others."""

    def __init__(self, kind: str, max_entries: int, clock: Clock, max_share: int | None = None) -> None:
        self._kind = kind
        self._max_entries = max_entries
        self._max_share = max_entries if max_share is None else max_share
        self._clock = clock
        self._entries: dict[bytes, tuple[T, float, bytes]] = {}
        self._shares: Counter[bytes] = Counter()
        self._calendar = Calendar(clock.monotonic())

    def get(self, key: bytes) -> T | None:
        """What stands under the key and is not over."""
        value, expires_at, _ = self._entries.get(key, (None, 0.0, b""))
        return value if expires_at > self._clock.monotonic() else None

    def put(self, key: bytes, value: T, ttl: float, owner: bytes = b"") -> None:
        """Lets `value` stand under the key for `ttl` seconds, in place of what stood there. Raises OVERLOADED when full, or
        when the owner's share is."""
        self.remove(key)
        if self._find_lack(owner):
            self.drop_expired()
        if lack := self._find_lack(owner):
            raise RunestoneError(Reason.OVERLOADED, lack, retry_after=1.0)
        expires_at = self._clock.monotonic() + ttl
        self._entries[key] = (value, expires_at, owner)
        self._shares[owner] += 1
        self._calendar.add(key, expires_at)

    def remove(self, key: bytes) -> None:
        """Lets nothing stand under the key."""
        if key in self._entries:
            self._calendar.remove(key, self._forget(key))

    def drop_expired(self, steps: int = STEPS) -> bool:
        """Drops what has been over for up to a second, in a bounded number of steps; says whether there may be more."""
        keys, has_more = self._calendar.take(self._clock.monotonic(), steps)
        for key in keys:
            self._forget(key)
        return has_more

    def _forget(self, key: bytes) -> float:
        """Until when it would have stood. An owner of nothing takes no memory."""
        _, expires_at, owner = self._entries.pop(key)
        self._shares[owner] -= 1
        if not self._shares[owner]:
            del self._shares[owner]
        return expires_at

    def _find_lack(self, owner: bytes) -> str:
        """Why there is no room; empty when there is."""
        if len(self._entries) >= self._max_entries:
            return f"{self._max_entries} {self._kind} are remembered, which is all that may be (cache.state.max_size)"
        if self._shares[owner] >= self._max_share:
            share = f"{self._max_share} of {self._max_entries} (cache.state.max_size)"
            return f"{share} {self._kind} are remembered for this caller, which is all that one may have"
        return ""

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"Register({len(self)} of {self._max_entries} {self._kind})"
