"""The snapshots that a process knows: the one in force, one that is ready to be, and those that calls may still carry."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol, TypeVar

from chassis.bell import Bell
from chassis.clock import Clock, SystemClock
from chassis.snapshots.editions import Editions, Refusal, itself, unknown_version
from chassis.snapshots.snapshot import WRITTEN, Snapshot

T = TypeVar("T")

# How many snapshots are kept whatever their age; for how long (seconds) further ones are after they were replaced, for a
# client may take a minute to send its body; how many at most, however often the configuration changes.
KEPT, KEPT_FOR, MOST_KEPT = 3, 60.0, 64
PATIENCE = 1.0  # seconds that a call waits for a snapshot which this process has not seen


class _Follower(Protocol):
    """Editions of whatever."""

    keeps_past: bool

    def prepare(self, snapshot: Snapshot) -> None: ...
    def put_in_force(self, version: str) -> None: ...
    def forget(self, version: str) -> None: ...


class SnapshotFeed:
    """Changes in two steps: `prepare` lets every follower make its edition, `commit` puts them in force all at once.

    Both are synchronous: nobody sees half of a change. `past` are earlier snapshots, oldest first, that calls of other
    processes may still carry.

    A publisher makes each version known everywhere before a call carries it. One that reads a file `of_its_own` has none: it serves calls of
    versions that it does not know under the one in force, or under its own of the same text (docs/adr/0024).
    """

    def __init__(
        self,
        first: Snapshot,
        past: Sequence[Snapshot] = (),
        clock: Clock | None = None,
        *,
        of_its_own: bool = False,
    ) -> None:
        self.current = first
        self.ready: Snapshot | None = None
        self._past = past
        self._is_own = of_its_own
        self._clock = clock or SystemClock()
        self._replaced = {snapshot.version: self._clock.monotonic() for snapshot in past}
        self._followers: list[_Follower] = []
        self._watchers: list[Callable[[Snapshot], None]] = []
        self._news = Bell()

    def follow(
        self,
        make: Callable[[Snapshot], T],
        *,
        keeps_past: bool = False,
        drop: Callable[[T], None] = lambda _edition: None,
    ) -> Editions[T]:
        """What `make` makes of the snapshot in force, and of each later one. Raises what `make` raises of this one."""
        editions = Editions(make, keeps_past=keeps_past, drop=drop, find=self.find if self._is_own else itself)
        for snapshot in self._past if keeps_past else ():
            with suppress(Exception):  # a call that carries it finds another replica; the service starts all the same
                editions.prepare(snapshot)
        editions.prepare(self.current)
        editions.put_in_force(self.current.version)
        if self.ready is not None:
            editions.prepare(self.ready)
        self._followers.append(editions)
        return editions

    def watch(self, watcher: Callable[[Snapshot], None]) -> None:
        """Calls `watcher` with every later snapshot, once it is in force for all followers."""
        self._watchers.append(watcher)

    def prepare(self, snapshot: Snapshot) -> None:
        """Lets every follower make its edition. Raises Refusal when one cannot; then nothing is ready."""
        self.withdraw()
        self.ready = snapshot
        try:
            for follower in self._followers:
                follower.prepare(snapshot)
        except Exception as error:
            self.withdraw()
            raise Refusal(f"{type(error).__name__}: {error}") from error
        self._news.ring()

    def withdraw(self) -> None:
        """Drops what is ready; harmless when nothing is."""
        ready, self.ready = self.ready, None
        if ready is not None:
            self._forget(ready.version)

    def commit(self) -> None:
        """Puts what is ready in force."""
        assert self.ready is not None, "it is made ready first"
        before, self.current, self.ready = self.current.version, self.ready, None
        self._replaced[before] = self._clock.monotonic()
        self._replaced.pop(self.current.version, None)
        for follower in self._followers:
            follower.put_in_force(self.current.version)
        self._forget(before)
        self._forget_old()
        for watcher in self._watchers:
            watcher(self.current)

    def publish(self, snapshot: Snapshot) -> None:
        """Makes a snapshot ready and puts it in force; one with the same version changes nothing. Raises Refusal."""
        if snapshot.version != self.current.version:
            self.prepare(snapshot)
            self.commit()

    def knows(self, version: str) -> bool:
        """Whether calls that carry `version` can be served."""
        return self._is_own or self._knows(version)

    def find(self, version: str) -> str:
        """The version that calls which carry `version` are served under: itself, or the latest of the same text, or that in force."""
        if self._knows(version):
            return version
        latest_first = (self.current.version, *reversed(self._replaced))
        return next((one for one in latest_first if one[:WRITTEN] == version[:WRITTEN]), self.current.version)

    def _knows(self, version: str) -> bool:
        known = version == self.current.version or version in self._replaced
        return known or (self.ready is not None and version == self.ready.version)

    async def wait_for(self, version: str) -> None:
        """Returns when `version` is known. Raises UNAVAILABLE, not begun, when it is not within a second."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not self.knows(version):
                    await self._news.wait()
        except TimeoutError as late:
            raise unknown_version(version) from late

    def _forget_old(self) -> None:
        now = self._clock.monotonic()
        for version, replaced_at in list(self._replaced.items()):
            known = len(self._replaced) + 1
            if known <= KEPT or (known <= MOST_KEPT and now < replaced_at + KEPT_FOR):
                break
            del self._replaced[version]
            self._forget(version)

    def _forget(self, version: str) -> None:
        """What is past stays with those that keep it, until its time is over."""
        for follower in self._followers:
            if version not in self._replaced or not follower.keeps_past:
                follower.forget(version)

    def __repr__(self) -> str:
        return f"SnapshotFeed({self.current.version}, ready {self.ready and self.ready.version}, {len(self._replaced)} past)"
