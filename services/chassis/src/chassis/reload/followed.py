"""Where a process has its snapshots from: its publisher, or a file of its own."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from chassis.client import Channel
from chassis.logs import get_logger
from chassis.metrics import Metrics
from chassis.reload.file_follower import FileFollower, end_task
from chassis.reload.outcome import Outcome, ReloadError
from chassis.reload.reloader import Reloader
from chassis.reload.source import Source
from chassis.snapshots import Refusal, Snapshot, SnapshotFeed, SnapshotWatch
from chassis.tracing import Tracing

T = TypeVar("T")

FIRST_PATIENCE = 30.0  # seconds that a process waits for its first snapshot


class Followed(Protocol):
    """A context that gives a process its first snapshot, and later ones once the service is built."""

    async def __aenter__(self) -> SnapshotFeed:
        """The feed, with the first snapshot in force."""

    async def __aexit__(self, *exception: object) -> None:
        """Follows no more; what is in force stays."""

    def begin(self) -> None:
        """Follows from now on: every part of the service that has a say in a new snapshot is there."""

    def look_again(self) -> None:
        """Somebody sent SIGHUP."""


class FollowedControl:
    """Snapshots of a ControlService. Entering raises TimeoutError when there is none within 30 seconds."""

    def __init__(self, service: str, address: str, worker: int) -> None:
        self._channel = Channel(address, tracing=Tracing(service))
        self._watch = SnapshotWatch(self._channel, service, get_logger(service), worker=worker)
        self._feed: SnapshotFeed | None = None
        self._following: asyncio.Task[None] | None = None

    async def __aenter__(self) -> SnapshotFeed:
        try:
            self._feed = await self._watch.first(FIRST_PATIENCE)
        except BaseException:
            await self._channel.close()
            raise
        return self._feed

    async def __aexit__(self, *exception: object) -> None:
        await end_task(self._following)
        await self._channel.close()

    def begin(self) -> None:
        """Obeys the publisher."""
        assert self._feed is not None, "the context is entered first"
        self._following = asyncio.create_task(self._watch.run(self._feed), name="follow the publisher")

    def look_again(self) -> None:
        """The publisher looks."""


class FollowedFile:
    """Snapshots of a file, which is read again when it changes, on SIGHUP, and when `reloader` is asked to. `first` was read of
    it already; `snapshot_of` makes one of what `source` reads."""

    def __init__(
        self,
        service: str,
        source: Source[T],
        first: Snapshot,
        snapshot_of: Callable[[T], Snapshot],
        *,
        metrics: Metrics,
    ) -> None:
        log = get_logger(service)
        self._feed = SnapshotFeed(first, of_its_own=True)
        own = OwnFeed(service, self._feed)
        self.reloader = Reloader(lambda: snapshot_of(source.read()), own, metrics=metrics, log=log)
        self._follower = FileFollower(self.reloader, source, log)

    async def __aenter__(self) -> SnapshotFeed:
        return self._feed

    async def __aexit__(self, *exception: object) -> None:
        await self._follower.end()

    def begin(self) -> None:
        """Watches the file."""
        self._follower.begin()

    def look_again(self) -> None:
        """Reads the file in the background; how that ended is logged."""
        self._follower.look_again()


class OwnFeed:
    """A publication to this process alone."""

    def __init__(self, service: str, feed: SnapshotFeed) -> None:
        self._service = service
        self._feed = feed

    @property
    def current(self) -> Snapshot:
        """The snapshot in force."""
        return self._feed.current

    @property
    def parts(self) -> Mapping[str, str]:
        """The one part."""
        return {self._service: self._feed.current.version}

    async def put_in_force(self, snapshot: Snapshot) -> None:
        """Puts it in force at once. Raises ReloadError when the service cannot make anything of it."""
        try:
            self._feed.publish(snapshot)
        except Refusal as refusal:
            message = "a part refused the configuration; nothing was changed"
            raise ReloadError(Outcome.REFUSED, message, parts={self._service: str(refusal)}) from refusal
