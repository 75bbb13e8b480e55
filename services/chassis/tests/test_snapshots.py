"""Configuration reaches every process as snapshots: each its own sections, and the last one while nobody publishes."""

import asyncio
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from chassis.client import Channel
from chassis.config import Settings, StoreUrl, decode, parse_settings
from chassis.config.schema import Mesh, Peer, Telemetry
from chassis.config.shared_state import is_state_shared
from chassis.logs import get_logger
from chassis.runtime import Place, Service, start_service
from chassis.snapshots import SECTIONS, Snapshot, SnapshotFeed, SnapshotWatch, document_for, snapshot_version
from chassis.testing import short_directory
from chassis.tracing import Tracing
from runestone.control.v1 import control_pb2, control_pb2_grpc

PATIENCE = 10
WITH_SECRETS = parse_settings(
    """
cache: {store: "redis://:canary-cache@h", encryption: {master_key: "cafecafecafecafecafecafecafecafecafecafecafecafecafecafecafecafe", previous_keys: ["babebabebabebabebabebabebabebabebabebabebabebabebabebabebabebabe"]}}
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


class Publisher(control_pb2_grpc.ControlServiceServicer):
    """Says to each watcher what was said last; `asked` are the requests so far, `reports` what watchers answered."""

    def __init__(self, *said: control_pb2.WatchResponse) -> None:
        self.asked: list[control_pb2.WatchRequest] = []
        self.reports: asyncio.Queue[control_pb2.ReportRequest] = asyncio.Queue()
        self._said = list(said)
        self._changed = asyncio.Condition()

    async def say(self, response: control_pb2.WatchResponse) -> control_pb2.ReportRequest:
        """Says it, and gives the report on it."""
        async with self._changed:
            self._said.append(response)
            self._changed.notify_all()
        return await self.next_report()

    async def next_report(self) -> control_pb2.ReportRequest:
        return await asyncio.wait_for(self.reports.get(), PATIENCE)

    async def Watch(self, request, context):
        self.asked.append(request)
        for index in count(max(0, len(self._said) - 1)):
            async with self._changed:
                await self._changed.wait_for(lambda: len(self._said) > index)  # noqa: B023  awaited in this turn
            yield self._said[index]

    async def Report(self, request, context):
        self.reports.put_nowait(request)
        return control_pb2.ReportResponse()

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


def sealed(settings: Settings) -> control_pb2.Snapshot:
    return control_pb2.Snapshot(version=snapshot_version(settings), document=document_for("cache", settings))


def in_force(settings: Settings, candidate: control_pb2.Snapshot | None = None, **more) -> control_pb2.WatchResponse:
    said = sealed(settings)
    return control_pb2.WatchResponse(version=said.version, document=said.document, candidate=candidate, **more)


@asynccontextmanager
async def watching(directory: Path):
    async with Channel(f"unix:{directory}/control.sock", tracing=Tracing("t")) as channel:
        yield SnapshotWatch(channel, "cache", get_logger("t"), worker=3)


@asynccontextmanager
async def following(watch: SnapshotWatch, feed: SnapshotFeed):
    """Obeys the publisher."""
    task = asyncio.create_task(watch.run(feed))
    try:
        yield
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


def test_the_edge_never_sees_what_opens_stored_answers():
    document = document_for("edge", WITH_SECRETS)
    assert b"cafecafe" not in document
    assert b"babebabe" not in document
    assert decode(document).cache == replace(
        WITH_SECRETS.cache, encryption=None, store=StoreUrl(WITH_SECRETS.cache.store.masked)
    )


@pytest.mark.parametrize("secret", [b"canary-cache", b"canary-limits"])
def test_the_edge_never_sees_what_opens_a_store(secret):
    """It is told that there is one: what edges share depends on that."""
    document = document_for("edge", WITH_SECRETS)
    assert secret not in document
    assert is_state_shared(replace(decode(document), mesh=Mesh(cache=Peer(replicas=2))))


@pytest.mark.parametrize(
    ("service", "secrets"),
    [
        ("cache", {"canary-cache", "cafecafe", "babebabe"}),
        ("ratelimit", {"canary-limits"}),
        ("provider", {"canary-provider"}),
        ("audit", set()),
    ],
)
def test_a_service_is_sent_its_own_secrets_only(service, secrets):
    document = document_for(service, WITH_SECRETS).decode()
    known = {"canary-cache", "canary-limits", "canary-provider", "canary-tenant", "cafecafe", "babebabe"}
    assert {secret for secret in known if secret in document} == secrets


@pytest.mark.parametrize("service", SECTIONS)
def test_what_a_service_is_sent_reads_back_as_its_sections(service):
    read = decode(document_for(service, WITH_SECRETS))
    held_back = {"providers", "cache", "ratelimit"} if service == "edge" else {"providers"}
    for section in set(SECTIONS[service]) - held_back:
        assert getattr(read, section) == getattr(WITH_SECRETS, section)


FIRST, SECOND, THIRD = with_ratio(0.1), with_ratio(0.2), with_ratio(0.3)


async def test_the_first_snapshot_is_the_one_in_force(directory):
    async with Publisher(in_force(FIRST)).publishing(directory), watching(directory) as watch:
        assert (await watch.first(PATIENCE)).current == snapshot_of(FIRST)


async def test_a_process_that_starts_anew_learns_what_calls_may_carry(directory):
    said = in_force(THIRD, past=[sealed(FIRST), sealed(SECOND)])
    async with Publisher(said).publishing(directory), watching(directory) as watch:
        feed = await watch.first(PATIENCE)
    assert all(feed.knows(snapshot_version(settings)) for settings in (FIRST, SECOND, THIRD))


async def test_waiting_for_a_publisher_that_never_comes_has_an_end(directory):
    async with watching(directory) as watch:
        with pytest.raises(TimeoutError):
            await watch.first(patience=0.1)


async def test_a_publisher_may_come_after_its_watchers(directory):
    """All services start at once."""
    async with watching(directory) as watch:
        waiting = asyncio.create_task(watch.first(PATIENCE))
        await asyncio.sleep(0)
        async with Publisher(in_force(FIRST)).publishing(directory):
            assert (await waiting).current == snapshot_of(FIRST)


async def test_a_candidate_is_made_ready_and_comes_into_force_when_the_publisher_says_so(directory):
    async with Publisher(in_force(FIRST)).publishing(directory) as publisher, watching(directory) as watch:
        feed = await watch.first(PATIENCE)
        made = feed.follow(lambda snapshot: snapshot)
        async with following(watch, feed):
            await publisher.next_report()
            report = await publisher.say(in_force(FIRST, sealed(SECOND)))
            assert (report.version, report.ready_version) == (snapshot_version(FIRST), snapshot_version(SECOND))
            assert made.current == snapshot_of(FIRST)
            report = await publisher.say(control_pb2.WatchResponse(version=snapshot_version(SECOND)))  # sent already
            assert (report.version, report.ready_version) == (snapshot_version(SECOND), "")
            assert made.current == snapshot_of(SECOND)
    assert [request.known_version for request in publisher.asked] == ["", snapshot_version(FIRST)]
    assert (report.service, report.worker) == ("cache", 3)


async def test_a_candidate_that_is_withdrawn_is_dropped(directory):
    async with Publisher(in_force(FIRST)).publishing(directory) as publisher, watching(directory) as watch:
        feed = await watch.first(PATIENCE)
        async with following(watch, feed):
            await publisher.next_report()
            await publisher.say(in_force(FIRST, sealed(SECOND)))
            report = await publisher.say(in_force(FIRST))
    assert (report.version, report.ready_version, feed.ready) == (snapshot_version(FIRST), "", None)


async def test_a_candidate_that_a_follower_refuses_is_vetoed_with_its_reason(directory):
    def refuse_second(snapshot: Snapshot) -> None:
        if snapshot.settings == SECOND:
            raise ValueError("no such model")

    async with Publisher(in_force(FIRST)).publishing(directory) as publisher, watching(directory) as watch:
        feed = await watch.first(PATIENCE)
        feed.follow(refuse_second)
        async with following(watch, feed):
            await publisher.next_report()
            report = await publisher.say(in_force(FIRST, sealed(SECOND)))
    assert (report.refused_version, report.problem) == (snapshot_version(SECOND), "ValueError: no such model")
    assert (report.version, report.ready_version) == (snapshot_version(FIRST), "")


@pytest.mark.parametrize("broken", [b"{", msgspec.json.encode({"newer_section": {}})])
async def test_a_candidate_that_cannot_be_read_is_vetoed(directory, broken):
    """One of a newer version, say."""
    async with Publisher(in_force(FIRST)).publishing(directory) as publisher, watching(directory) as watch:
        feed = await watch.first(PATIENCE)
        async with following(watch, feed):
            await publisher.next_report()
            report = await publisher.say(in_force(FIRST, control_pb2.Snapshot(version="new", document=broken)))
            assert report.refused_version == "new"
            report = await publisher.say(in_force(SECOND))
    assert report.version == snapshot_version(SECOND) == feed.current.version


async def test_the_watch_survives_a_restart_of_the_publisher(directory):
    """Meanwhile the last snapshot stays in force; then the watch says which version it has, and takes what came."""
    async with watching(directory) as watch:
        async with Publisher(in_force(FIRST)).publishing(directory):
            feed = await watch.first(PATIENCE)
        async with following(watch, feed):
            assert feed.current == snapshot_of(FIRST)
            async with Publisher(in_force(SECOND)).publishing(directory) as restarted:
                assert (await restarted.next_report()).version == snapshot_version(SECOND)
    assert restarted.asked[0].known_version == snapshot_version(FIRST)
    assert feed.current == snapshot_of(SECOND)
