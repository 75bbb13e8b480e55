"""Copies of streams in this process's memory: gone with it, so there may be one replica only."""

import asyncio
from collections import Counter

from cache_svc.expiry import Calendar
from cache_svc.store import Bounds
from cache_svc.streams.copy import Copy
from cache_svc.streams.store import Page, Piece, check_size
from chassis.clock import Clock
from chassis.errors import Reason, RunestoneError

STEPS = 256  # of the calendar, before other work gets a turn
OWNERS = 4  # that it takes to use up the room


class _Kept:
    __slots__ = ("copy", "expires_at", "owner")

    def __init__(self, owner: bytes) -> None:
        self.copy = Copy()
        self.expires_at = 0.0
        self.owner = owner


class MemoryStreams:
    """As many streams and bytes as the bounds allow, and of one owner a quarter of the bytes: then what is further is refused, for none is
    forgotten early."""

    def __init__(self, bounds: Bounds, clock: Clock) -> None:
        self._bounds = bounds
        self._clock = clock
        self._streams: dict[bytes, _Kept] = {}
        self._shares: Counter[bytes] = Counter()
        self._calendar = Calendar(clock.monotonic())
        self.used_bytes = 0

    async def append(self, key: bytes, piece: Piece, ttl: float, owner: bytes = b"") -> None:
        """By this process's clock."""
        check_size(piece)
        kept = self._find(key)
        self._make_room(len(piece.events) + len(piece.head) + len(piece.end), owner, is_new=kept is None)
        kept = kept or _Kept(owner)
        before = kept.copy.size if key in self._streams else 0
        kept.copy.append(piece)
        self._keep(key, kept, ttl)
        self._count(owner, kept.copy.size - before)

    async def read(self, key: bytes, after_seq: int) -> Page | None:
        """Of this process."""
        kept = self._find(key)
        return None if kept is None else kept.copy.read(after_seq)

    async def sweep(self, pause: float = 1.0) -> None:
        """Drops what is over, every `pause` seconds and a bounded number at a time, until cancelled."""
        while True:
            has_more = self.drop_expired()
            await asyncio.sleep(0 if has_more else pause)

    def drop_expired(self, steps: int = STEPS) -> bool:
        """Drops what has been over for up to a second, in a bounded number of steps; says whether there may be more."""
        keys, has_more = self._calendar.take(self._clock.monotonic(), steps)
        for key in keys:
            self._forget(key)
        return has_more

    def _find(self, key: bytes) -> _Kept | None:
        """What is not over: that is forgotten."""
        kept = self._streams.get(key)
        if kept is not None and kept.expires_at <= self._clock.monotonic():
            self._calendar.remove(key, kept.expires_at)
            self._forget(key)
            return None
        return kept

    def _keep(self, key: bytes, kept: _Kept, ttl: float) -> None:
        if key in self._streams:
            self._calendar.remove(key, kept.expires_at)
        self._streams[key] = kept
        kept.expires_at = self._clock.monotonic() + ttl
        self._calendar.add(key, kept.expires_at)

    def _forget(self, key: bytes) -> None:
        kept = self._streams.pop(key)
        self._count(kept.owner, -kept.copy.size)

    def _count(self, owner: bytes, size: int) -> None:
        """An owner of nothing takes no memory."""
        self.used_bytes += size
        self._shares[owner] += size
        if not self._shares[owner]:
            del self._shares[owner]

    def _make_room(self, size: int, owner: bytes, *, is_new: bool) -> None:
        if self._find_lack(size, owner, is_new=is_new):
            self.drop_expired()
        if lack := self._find_lack(size, owner, is_new=is_new):
            raise RunestoneError(Reason.OVERLOADED, lack, retry_after=1.0, may_have_begun=False)

    def _find_lack(self, size: int, owner: bytes, *, is_new: bool) -> str:
        """Why there is no room; empty when there is."""
        if is_new and len(self._streams) >= self._bounds.max_entries:
            return f"{self._bounds.max_entries} streams are kept, which is all that may be (cache.state.max_size)"
        if self.used_bytes + size > self._bounds.max_bytes:
            return f"streams take {self.used_bytes} bytes, which is about all that they may (cache.state.max_bytes)"
        if self._shares.get(owner, 0) + size > self._bounds.max_bytes // OWNERS:
            return "streams of this tenant take a quarter of the bytes that all may, which is all that one may have"
        return ""

    def __len__(self) -> int:
        return len(self._streams)

    def __repr__(self) -> str:
        return f"MemoryStreams({len(self)} streams, {self.used_bytes} of {self._bounds.max_bytes} bytes)"
