"""A service on a socket of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from chassis.client import Channel
from chassis.config import Settings
from chassis.runtime import Place, Runtime, Service, start_service
from chassis.snapshots import Snapshot, SnapshotFeed, snapshot_version
from chassis.testing.ports import short_directory
from chassis.tracing import Tracing


@asynccontextmanager
async def running(
    service: Service, settings: Settings, *, peers: dict[str, str] | None = None, data_dir: Path | None = None
) -> AsyncIterator[tuple[Runtime, Channel]]:
    """A service built from `settings`, listening on a unix socket, and a channel to it."""
    with short_directory() as directory:
        place = Place(listen=f"unix:{directory}/s.sock", data_dir=data_dir or directory, peers=peers or {})
        feed = SnapshotFeed(Snapshot(snapshot_version(settings), settings))
        runtime = await start_service(service, place, feed)
        try:
            async with Channel(place.listen, tracing=Tracing("test"), timeout=10) as channel:
                yield runtime, channel
        finally:
            await runtime.stop(0)
