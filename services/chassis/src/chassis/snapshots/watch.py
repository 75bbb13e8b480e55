"""Following a ControlService: its snapshots come into force here when it says so, and it is told how far this process is."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from chassis.client import Channel, closing
from chassis.config import decode
from chassis.errors import RunestoneError
from chassis.logs import Logger
from chassis.snapshots.editions import Refusal
from chassis.snapshots.feed import SnapshotFeed
from chassis.snapshots.snapshot import Snapshot
from runestone.control.v1.control_pb2 import ReportRequest, WatchRequest, WatchResponse
from runestone.control.v1.control_pb2_grpc import ControlServiceStub

DAY = 86_400.0
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0  # seconds before it watches again
REPORT_TIMEOUT = 5.0

Take = Callable[[WatchResponse], Awaitable[bool]]


class SnapshotWatch:
    """Reads snapshots from a ControlService; survives its restarts with back-off, keeping the last one."""

    def __init__(self, channel: Channel, service: str, log: Logger, *, worker: int = 0) -> None:
        self._stub = ControlServiceStub(channel)
        self._service = service
        self._worker = worker
        self._log = log

    async def first(self, patience: float) -> SnapshotFeed:
        """A feed of the snapshot in force. Raises TimeoutError when none can be had within `patience` seconds."""
        feeds: list[SnapshotFeed] = []

        async def take(response: WatchResponse) -> bool:
            try:
                past = [_read(snapshot.version, snapshot.document) for snapshot in response.past]
                feeds.append(SnapshotFeed(_read(response.version, response.document), past))
            except Refusal as refusal:
                self._log.error("snapshot passed over", version=response.version, problem=str(refusal))
            return bool(feeds)

        async with asyncio.timeout(patience):
            await self._watch(lambda: "", take)
        return feeds[0]

    async def run(self, feed: SnapshotFeed) -> None:
        """Obeys every response, until cancelled."""

        async def take(response: WatchResponse) -> bool:
            await self._report(feed, self._obey(feed, response))
            return False

        await self._watch(lambda: feed.current.version, take)

    async def _watch(self, known: Callable[[], str], take: Take) -> None:
        """Gives `take` every response until it says that this was enough."""
        pause = FIRST_PAUSE
        while True:
            try:
                request = WatchRequest(service=self._service, known_version=known())
                async with closing(self._stub.Watch(request, timeout=DAY)) as responses:
                    async for response in responses:
                        pause = FIRST_PAUSE
                        if await take(response):
                            return
            except RunestoneError as error:
                self._log.debug("snapshot watch interrupted", reason=error.reason, message=error.message)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    def _obey(self, feed: SnapshotFeed, response: WatchResponse) -> ReportRequest:
        """Does what a response says; returns the report without how the feed stands now."""
        version = response.version
        try:
            if version != feed.current.version:
                if feed.ready is None or feed.ready.version != version:
                    feed.prepare(_read(version, response.document))
                feed.commit()
            if not response.HasField("candidate"):
                feed.withdraw()
            elif feed.ready is None or feed.ready.version != response.candidate.version:
                version = response.candidate.version
                feed.prepare(_read(version, response.candidate.document))
        except Refusal as refusal:
            self._log.error("snapshot refused, the last one stays", version=version, problem=str(refusal))
            return ReportRequest(refused_version=version, problem=str(refusal))
        return ReportRequest()

    async def _report(self, feed: SnapshotFeed, report: ReportRequest) -> None:
        report.service, report.worker = self._service, self._worker
        report.version = feed.current.version
        report.ready_version = feed.ready.version if feed.ready else ""
        await self._stub.Report(report, timeout=REPORT_TIMEOUT)


def _read(version: str, document: bytes) -> Snapshot:
    """Raises Refusal for a document that this process cannot read, of a newer version, say."""
    try:
        return Snapshot(version, decode(document))
    except msgspec.DecodeError as error:
        raise Refusal(f"this process cannot read it: {error}") from error
