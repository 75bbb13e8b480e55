"""The configuration in force, as immutable snapshots named by their content.

A process reads its first snapshot before it is built and follows later ones: from the launcher's ControlService, or, on
its own, from a file.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass

import msgspec

from chassis.client import Channel, closing
from chassis.config import Settings, decode, encode
from chassis.errors import RunestoneError
from chassis.logs import Logger
from runestone.control.v1.control_pb2 import WatchRequest, WatchResponse
from runestone.control.v1.control_pb2_grpc import ControlServiceStub

# Which sections each service is sent: the cache never sees a provider's credentials.
SECTIONS: dict[str, tuple[str, ...]] = {
    "edge": (
        "auth",
        "edge",
        "cache",
        "ratelimit",
        "audit",
        "mesh",
        "models",
        "providers",
        "pipelines",
        "tenants",
        "authentication",
        "telemetry",
    ),
    "cache": ("cache", "telemetry"),
    "ratelimit": ("ratelimit", "telemetry"),
    "provider": ("providers", "models", "telemetry"),
    "audit": ("audit", "telemetry"),
}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One version of the configuration, or of the sections that one service needs."""

    version: str
    settings: Settings


def snapshot_version(settings: Settings) -> str:
    """The content hash of a configuration: equal versions are equal configurations."""
    return hashlib.sha256(encode(settings, reveal=True)).hexdigest()[:16]


def document_for(service: str, settings: Settings) -> bytes:
    """The sections that `service` is sent, as JSON, with secrets. The edge gets no provider credentials."""
    if service == "edge":
        providers = [msgspec.structs.replace(provider, api_key=None) for provider in settings.providers]
        settings = msgspec.structs.replace(settings, providers=providers)
    sections = {name: getattr(settings, name) for name in SECTIONS[service]}
    return encode(Settings(**sections), reveal=True)


class SnapshotFeed:
    """The snapshot in force in this process, and who wants to know of the next one."""

    def __init__(self, first: Snapshot) -> None:
        self.current = first
        self._followers: list[Callable[[Snapshot], None]] = []

    def follow(self, follower: Callable[[Snapshot], None]) -> None:
        """Calls `follower` with the snapshot in force, and with each later one."""
        self._followers.append(follower)
        follower(self.current)

    def publish(self, snapshot: Snapshot) -> None:
        """Puts a snapshot in force; one with the same version changes nothing."""
        if snapshot.version != self.current.version:
            self.current = snapshot
            for follower in self._followers:
                follower(snapshot)


class SnapshotWatch:
    """Reads snapshots from a ControlService; survives its restarts with back-off, keeping the last one."""

    def __init__(self, channel: Channel, service: str, log: Logger) -> None:
        self._stub = ControlServiceStub(channel)
        self._service = service
        self._log = log
        self._known = ""

    async def first(self, patience: float) -> Snapshot:
        """The snapshot in force. Raises TimeoutError when the publisher does not answer within `patience` seconds."""
        async with asyncio.timeout(patience), aclosing(self._snapshots()) as snapshots:
            return await anext(snapshots)

    async def run(self, feed: SnapshotFeed) -> None:
        """Publishes every later snapshot to `feed`, until cancelled."""
        async with aclosing(self._snapshots()) as snapshots:
            async for snapshot in snapshots:
                feed.publish(snapshot)

    async def _snapshots(self) -> AsyncGenerator[Snapshot]:
        pause = 0.05
        while True:
            try:
                request = WatchRequest(service=self._service, known_version=self._known)
                async with closing(self._stub.Watch(request, timeout=86_400)) as responses:
                    async for response in responses:
                        pause = 0.05
                        if (snapshot := self._read(response)) is not None:
                            yield snapshot
            except RunestoneError as error:
                self._log.debug("snapshot watch interrupted", reason=error.reason, message=error.message)
            await asyncio.sleep(pause)
            pause = min(pause * 2, 2.0)

    def _read(self, response: WatchResponse) -> Snapshot | None:
        """The snapshot in `response`; None for one of a version that this process cannot read."""
        self._known = response.version
        try:
            return Snapshot(response.version, decode(response.document))
        except msgspec.DecodeError as error:
            self._log.error("snapshot passed over, the last one stays", version=response.version, problem=str(error))
            return None
