"""Configuration reaches every process as snapshots: each its own sections, and the last one while nobody publishes."""

import asyncio
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path

import msgspec
import pytest

from chassis.client import Channel
from chassis.config import Settings, decode, parse_settings
from chassis.config.schema import Telemetry
from chassis.logs import get_logger
from chassis.runtime import Place, Service, start_service
from chassis.snapshots import SECTIONS, Snapshot, SnapshotFeed, SnapshotWatch, document_for, snapshot_version
from chassis.testing import short_directory
from chassis.tracing import Tracing
from runestone.control.v1 import control_pb2, control_pb2_grpc

PATIENCE = 10
WITH_SECRETS = parse_settings(
    """
cache: {store: "redis://:canary-cache@h"}
ratelimit: {store: "redis://:canary-limits@h"}
providers: [{name: openai, kind: openai, api_key: canary-provider}]
models: [{name: "openai/*"}]
tenants: [{name: acme, keys: [{name: ci, secret: canary-tenant-0123}]}]
""",
    environment={},
)


def with_ratio(ratio: float) -> Settings:
    return Settings(telemetry=Telemetry(sample_ratio=ratio))


def snapshot_of(settings: Settings) -> Snapshot:
    return Snapshot(snapshot_version(settings), settings)


def version_of(item: Settings | bytes) -> str:
    return snapshot_version(item) if isinstance(item, Settings) else "broken"


class Publisher(control_pb2_grpc.ControlServiceServicer):
    """Sends what was published, settings or bytes that are none, to each watcher from the version that it knows;
    `asked` are the requests so far."""

    def __init__(self, *published: Settings | bytes) -> None:
        self.asked: list[control_pb2.WatchRequest] = []
        self._published = list(published)
        self._changed = asyncio.Condition()

    async def publish(self, *items: Settings | bytes) -> None:
        async with self._changed:
            self._published += items
            self._changed.notify_all()

    async def Watch(self, request, context):
        self.asked.append(request)
        versions = list(map(version_of, self._published))
        known = versions.index(request.known_version) + 1 if request.known_version in versions else 0
        for index in count(known):
            yield self._response(request.service, await self._wait_for(index))

    async def _wait_for(self, index: int) -> Settings | bytes:
        async with self._changed:
            await self._changed.wait_for(lambda: len(self._published) > index)
        return self._published[index]

    def _response(self, service: str, item: Settings | bytes) -> control_pb2.WatchResponse:
        document = document_for(service, item) if isinstance(item, Settings) else item
        return control_pb2.WatchResponse(version=version_of(item), document=document)

    @asynccontextmanager
    async def publishing(self, directory: Path):
        async def build(runtime):
            add = control_pb2_grpc.add_ControlServiceServicer_to_server
            runtime.serve(add, self, "runestone.control.v1.ControlService")

        place = Place(listen=f"unix:{directory}/control.sock", data_dir=directory)
        runtime = await start_service(Service("control", build), place, SnapshotFeed(snapshot_of(Settings())))
        try:
            yield self
        finally:
            await runtime.stop(0)


@asynccontextmanager
async def watching(directory: Path):
    async with Channel(f"unix:{directory}/control.sock", tracing=Tracing("t")) as channel:
        yield SnapshotWatch(channel, "cache", get_logger("t"))


@asynccontextmanager
async def following(watch: SnapshotWatch, feed: SnapshotFeed):
    """Runs the watch; what it publishes is put on the queue."""
    heard: asyncio.Queue[Snapshot] = asyncio.Queue()
    feed.follow(heard.put_nowait)
    heard.get_nowait()
    task = asyncio.create_task(watch.run(feed))
    try:
        yield heard
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.fixture
def directory():
    with short_directory() as path:
        yield path


def test_the_edge_never_sees_what_opens_a_provider():
    document = document_for("edge", WITH_SECRETS)
    assert b"canary-provider" not in document
    assert decode(document).providers[0].api_key is None
    assert decode(document).tenants == WITH_SECRETS.tenants


@pytest.mark.parametrize(
    ("service", "secrets"),
    [
        ("cache", {"canary-cache"}),
        ("ratelimit", {"canary-limits"}),
        ("provider", {"canary-provider"}),
        ("audit", set()),
    ],
)
def test_a_service_is_sent_its_own_secrets_only(service, secrets):
    document = document_for(service, WITH_SECRETS).decode()
    known = {"canary-cache", "canary-limits", "canary-provider", "canary-tenant"}
    assert {secret for secret in known if secret in document} == secrets


@pytest.mark.parametrize("service", SECTIONS)
def test_what_a_service_is_sent_reads_back_as_its_sections(service):
    read = decode(document_for(service, WITH_SECRETS))
    for section in set(SECTIONS[service]) - {"providers"}:
        assert getattr(read, section) == getattr(WITH_SECRETS, section)


def test_a_follower_hears_the_snapshot_in_force_and_each_later_one():
    heard = []
    first, second = snapshot_of(with_ratio(0.1)), snapshot_of(with_ratio(0.2))
    feed = SnapshotFeed(first)
    feed.follow(heard.append)
    feed.publish(snapshot_of(with_ratio(0.1)))  # the same again
    feed.publish(second)
    assert heard == [first, second]
    assert feed.current is second


async def test_the_first_snapshot_is_the_one_in_force(directory):
    async with Publisher(with_ratio(0.5)).publishing(directory), watching(directory) as watch:
        assert (await watch.first(PATIENCE)) == snapshot_of(with_ratio(0.5))


async def test_waiting_for_a_publisher_that_never_comes_has_an_end(directory):
    async with watching(directory) as watch:
        with pytest.raises(TimeoutError):
            await watch.first(patience=0.1)


async def test_a_publisher_may_come_after_its_watchers(directory):
    """All services start at once."""
    async with watching(directory) as watch:
        waiting = asyncio.create_task(watch.first(PATIENCE))
        await asyncio.sleep(0)
        async with Publisher(with_ratio(0.5)).publishing(directory):
            assert await waiting == snapshot_of(with_ratio(0.5))


async def test_later_snapshots_come_as_they_are_published_and_none_comes_twice(directory):
    """The watch says which version it has, so that the publisher need not send it again."""
    first, second = with_ratio(0.1), with_ratio(0.2)
    async with Publisher(first).publishing(directory) as publisher, watching(directory) as watch:
        feed = SnapshotFeed(await watch.first(PATIENCE))
        async with following(watch, feed) as heard:
            await publisher.publish(second)
            assert await asyncio.wait_for(heard.get(), PATIENCE) == snapshot_of(second)
    assert [request.known_version for request in publisher.asked] == ["", snapshot_version(first)]
    assert {request.service for request in publisher.asked} == {"cache"}


async def test_the_watch_survives_a_restart_of_the_publisher(directory):
    """Meanwhile the last snapshot stays in force; then the watch resumes from its version."""
    first, second = with_ratio(0.1), with_ratio(0.2)
    async with watching(directory) as watch:
        async with Publisher(first).publishing(directory):
            feed = SnapshotFeed(await watch.first(PATIENCE))
        async with following(watch, feed) as heard:
            assert feed.current == snapshot_of(first)
            async with Publisher(second).publishing(directory) as restarted:
                assert await asyncio.wait_for(heard.get(), PATIENCE) == snapshot_of(second)
    assert restarted.asked[0].known_version == snapshot_version(first)


@pytest.mark.parametrize("broken", [b"{", msgspec.json.encode({"newer_section": {}})])
async def test_a_snapshot_that_cannot_be_read_is_passed_over(directory, broken):
    """One of a newer version, say: the last one stays in force, and the next that can be read takes its place."""
    async with Publisher(with_ratio(0.1)).publishing(directory) as publisher, watching(directory) as watch:
        feed = SnapshotFeed(await watch.first(PATIENCE))
        async with following(watch, feed) as heard:
            await publisher.publish(broken, with_ratio(0.2))
            assert await asyncio.wait_for(heard.get(), PATIENCE) == snapshot_of(with_ratio(0.2))
