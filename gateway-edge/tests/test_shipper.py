"""The shipper: in order, in batches, again until acknowledged; a poisoned record blocks nothing."""

import asyncio
import base64
import json
from collections import deque
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from chassis.config import Settings
from chassis.errors import Reason, RunestoneError
from chassis.logs import get_logger
from chassis.metrics import Metrics
from chassis.runtime import Service
from chassis.testing import FakeClock, running
from gateway_edge.spool.shipper import GATHERING_PAUSE, Shipper
from gateway_edge.spool.spool import Spool
from runestone.audit.v1 import audit_pb2, audit_pb2_grpc
from runestone.audit.v1.audit_pb2 import AppendResponse, AuditRecord

DOWN = RunestoneError(Reason.UNAVAILABLE, "down")


class FakeAudit:
    """An audit-svc in memory that fails when told to, hangs when told to, and refuses records called `poison...`."""

    def __init__(self, failures=()):
        self.batches = []
        self.failures = deque(failures)
        self.hangs = False
        self.asked = asyncio.Event()

    @property
    def kept(self):
        return [request_id for batch in self.batches for request_id in batch]

    async def Append(self, request, *, timeout=None):
        assert timeout is not None
        self.asked.set()
        if self.hangs:
            await asyncio.Event().wait()
        if self.failures:
            raise self.failures.popleft()
        ids = [record.request_id for record in request.records]
        if any(one.startswith("poison") for one in ids):
            raise RunestoneError(Reason.INVALID_REQUEST, "poisoned")
        self.batches.append(ids)
        return AppendResponse(appended=len(ids))


class Pauses(list):
    """A sleep that takes no time and remembers what was asked of it."""

    async def __call__(self, seconds):
        self.append(seconds)
        await asyncio.sleep(0)


def record(name, **fields):
    return AuditRecord(request_id=name, **fields).SerializeToString()


def names(count):
    return [f"req_{number:04}" for number in range(count)]


async def until(holds):
    """Gives other tasks their turns until `holds()`; the test's own timeout bounds it."""
    while not holds():
        await asyncio.sleep(0)


@pytest.fixture
def root(tmp_path):
    return tmp_path / "spool"


@pytest.fixture
def spool(root):
    spool = Spool(root, 0, 1 << 24)
    yield spool
    spool.close()


@pytest.fixture
def pauses():
    return Pauses()


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def audit():
    return FakeAudit()


@pytest.fixture
def shipper(spool, audit, clock, metrics, pauses):
    return Shipper(spool, audit, clock, get_logger("edge"), metrics, sleep=pauses, jitter=lambda: 1.0)


@asynccontextmanager
async def at_work(shipper):
    """The background task, stopped at the end; a crash of it fails the test."""
    task = asyncio.create_task(shipper.run())
    try:
        yield task
    finally:
        task.cancel()
        (ending,) = await asyncio.gather(task, return_exceptions=True)
        assert isinstance(ending, asyncio.CancelledError)


def metric(metrics, name):
    lines = (line.split() for line in metrics.exposition().decode().splitlines())
    return next(float(line[1]) for line in lines if line[0] == f"runestone_{name}")


async def test_records_arrive_in_their_order_and_leave_the_disk(shipper, spool, audit, root):
    """Everything that is appended while it runs, and what was there before."""
    spool.append(record("before"))
    async with at_work(shipper):
        await until(lambda: audit.kept == ["before"])
        for name in names(30):
            spool.append(record(name))
            await asyncio.sleep(0)
        await until(lambda: spool.size == 0)
    assert audit.kept == ["before", *names(30)]
    assert list(root.glob("*/*.log")) == []


async def test_a_batch_holds_at_most_500_records(shipper, spool, audit):
    """Whatever waits goes in as few batches as the bound allows, without a pause in between."""
    for name in names(1_200):
        spool.append(record(name))
    await shipper.drain(10)
    assert [len(batch) for batch in audit.batches] == [500, 500, 200]
    assert audit.kept == names(1_200)


async def test_a_batch_holds_at_most_a_mebibyte(root, audit, clock, metrics):
    """Large records share a batch only as far as it holds them."""
    spool = Spool(root, 0, 1 << 24, segment_bytes=1 << 23)
    shipper = Shipper(spool, audit, clock, get_logger("edge"), metrics)
    for name in names(5):
        spool.append(record(name, model="m" * 400_000))
    await shipper.drain(10)
    assert [len(batch) for batch in audit.batches] == [2, 2, 1]
    spool.close()


async def test_records_gather_after_each_batch_under_load(shipper, spool, audit, pauses):
    """The first record goes at once, the next ones share a batch."""
    async with at_work(shipper):
        spool.append(record("first"))
        await until(lambda: audit.batches)
        spool.append(record("second"))
        spool.append(record("third"))
        await until(lambda: len(audit.kept) == 3)
    assert audit.batches == [["first"], ["second", "third"]]
    assert pauses[0] == GATHERING_PAUSE


async def test_failures_are_retried_with_growing_pauses_and_the_order_holds(spool, clock, metrics, pauses):
    """From 50 ms to 2 s; the next batch waits its turn."""
    audit = FakeAudit([DOWN] * 8)
    shipper = Shipper(spool, audit, clock, get_logger("edge"), metrics, sleep=pauses, jitter=lambda: 1.0)
    for name in names(600):
        spool.append(record(name))
    await shipper.drain(10)
    assert pauses == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]
    assert audit.kept == names(600)


async def test_pauses_are_spread(spool, clock, metrics, pauses):
    """Edges that lost audit-svc together do not come back together: half of a pause is chance."""
    audit = FakeAudit([DOWN] * 2)
    shipper = Shipper(spool, audit, clock, get_logger("edge"), metrics, sleep=pauses, jitter=lambda: 0.0)
    spool.append(record("a"))
    await shipper.drain(10)
    assert pauses == [0.025, 0.05]


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason not in ("INVALID_REQUEST", "BODY_TOO_LARGE")])
async def test_no_failure_but_a_refusal_loses_the_batch(spool, clock, metrics, pauses, reason):
    """Whatever audit-svc or the network says, the records are sent again."""
    audit = FakeAudit([RunestoneError(reason, "no")])
    shipper = Shipper(spool, audit, clock, get_logger("edge"), metrics, sleep=pauses)
    spool.append(record("a"))
    await shipper.drain(10)
    assert audit.kept == ["a"]


async def test_an_outage_is_said_once_and_its_end_too(spool, clock, metrics, pauses):
    """A log line for each of a thousand tries would bury the rest."""
    audit = FakeAudit([DOWN] * 5)
    shipper = Shipper(spool, audit, clock, get_logger("edge"), metrics, sleep=pauses)
    spool.append(record("a"))
    with capture_logs() as logs:
        await shipper.drain(10)
    assert [line["log_level"] for line in logs] == ["warning", "info"]


@pytest.mark.parametrize("places", [{0}, {9}, {4}, {3, 4, 8}, set(range(10))])
async def test_poisoned_records_are_set_aside_and_the_others_arrive_in_order(shipper, spool, audit, root, places):
    """A refused batch is halved until each bad record is found; it is kept for people and logged."""
    records = [f"poison{number}" if number in places else f"req_{number}" for number in range(10)]
    for name in records:
        spool.append(record(name))
    with capture_logs() as logs:
        await shipper.drain(10)
    assert audit.kept == [name for name in records if name.startswith("req_")]
    entries = [json.loads(line) for line in (root / "rejected.log").read_text().split("\n") if line]
    rejected = [AuditRecord.FromString(base64.b64decode(entry["record"])).request_id for entry in entries]
    assert rejected == [name for name in records if name.startswith("poison")]
    assert {entry["reason"] for entry in entries} == {"poisoned"}
    assert [line["log_level"] for line in logs] == ["error"] * len(places)


async def test_bytes_that_are_no_record_are_set_aside(shipper, spool, audit, root):
    """They never reach audit-svc, and block nobody."""
    for content in (record("a"), b"\xff\xff no protobuf", record("b")):
        spool.append(content)
    await shipper.drain(10)
    assert audit.kept == ["a", "b"]
    assert "not an AuditRecord" in (root / "rejected.log").read_text()


async def test_a_poisoned_record_stays_until_it_could_be_set_aside(shipper, spool, audit, root):
    """When rejected.log cannot be written, nothing is acknowledged; the task goes on trying."""
    (root / "rejected.log").mkdir()
    spool.append(record("poison"))
    async with at_work(shipper):
        with capture_logs() as logs:
            await until(lambda: any("failed" in line["event"] for line in logs))
        assert spool.size > 0
        (root / "rejected.log").rmdir()
        await until(lambda: spool.size == 0)
    assert (root / "rejected.log").is_file()


async def test_orphans_are_adopted_at_start_and_every_ten_seconds(shipper, spool, audit, clock, root):
    """A killed worker's records arrive while the living one works."""
    first, second = Spool(root, 1, 1 << 20), Spool(root, 2, 1 << 20)
    first.append(record("of the first"))
    second.append(record("of the second"))
    first.close()
    async with at_work(shipper):
        await until(lambda: audit.kept == ["of the first"])
        second.close()
        clock.advance(9)
        spool.append(record("own"))
        await until(lambda: "own" in audit.kept)
        assert "of the second" not in audit.kept
        clock.advance(1)
        spool.append(record("later"))
        await until(lambda: "later" in audit.kept)
    assert audit.kept == ["of the first", "own", "of the second", "later"]


async def test_drain_ships_what_is_there_beside_the_running_task(shipper, spool, audit):
    """Each record goes once, in order, whoever ships it."""
    async with at_work(shipper):
        for name in names(1_000):
            spool.append(record(name))
        await shipper.drain(10)
    assert audit.kept == names(1_000)


async def test_drain_gives_up_at_its_timeout_and_loses_nothing(shipper, spool, audit):
    """audit-svc hangs: what waits stays on disk for the next worker."""
    audit.hangs = True
    spool.append(record("a"))
    with capture_logs() as logs:
        await shipper.drain(0)
    assert [line["event"] for line in logs] == ["audit records stay in the spool"]
    assert spool.size > 0
    audit.hangs = False
    await shipper.drain(10)
    assert audit.kept == ["a"]


async def test_cancelling_loses_nothing(shipper, spool, audit):
    """Cancelled while audit-svc has the batch: it is shipped again."""
    audit.hangs = True
    spool.append(record("a"))
    async with at_work(shipper):
        await audit.asked.wait()
    audit.hangs = False
    await shipper.drain(10)
    assert audit.kept == ["a"]


async def test_a_failing_disk_is_logged_and_tried_again(shipper, spool, audit, monkeypatch):
    """The task outlives what it did not expect."""
    peek, failures = spool.peek, deque([OSError("too many open files")])

    def peek_or_fail(*bounds):
        if failures:
            raise failures.popleft()
        return peek(*bounds)

    monkeypatch.setattr(spool, "peek", peek_or_fail)
    spool.append(record("a"))
    with capture_logs() as logs:
        async with at_work(shipper):
            await until(lambda: audit.kept == ["a"])
    assert [str(line["exc_info"]) for line in logs] == ["too many open files"]


async def test_metrics_show_what_waits_and_what_went(shipper, spool, metrics):
    """Operators see a spool that fills."""
    for name in ("a", "poison", "b"):
        spool.append(record(name))
    assert metric(metrics, "audit_spool_records") == 3
    assert metric(metrics, "audit_spool_bytes") == spool.size > 0
    await shipper.drain(10)
    assert metric(metrics, "audit_spool_records") == metric(metrics, "audit_spool_bytes") == 0
    assert metric(metrics, "audit_shipped_total") == 2
    assert metric(metrics, "audit_rejected_total") == 1
    assert metric(metrics, "audit_spool_corrupt_frames") == metric(metrics, "audit_spool_lost") == 0


class Servicer(audit_pb2_grpc.AuditServiceServicer):
    """FakeAudit behind gRPC."""

    def __init__(self, audit):
        self.audit = audit

    async def Append(self, request, context):
        return await self.audit.Append(request, timeout=context.time_remaining())


async def test_it_ships_over_grpc(spool, clock, metrics, pauses):
    """The generated stub on the chassis' channel: failures and refusals arrive as what they are."""
    audit = FakeAudit([DOWN])

    async def build(runtime):
        name = audit_pb2.DESCRIPTOR.services_by_name["AuditService"].full_name
        runtime.serve(audit_pb2_grpc.add_AuditServiceServicer_to_server, Servicer(audit), name)

    async with running(Service("audit", build), Settings()) as (_, channel):
        stub = audit_pb2_grpc.AuditServiceStub(channel)
        shipper = Shipper(spool, stub, clock, get_logger("edge"), metrics, sleep=pauses)
        for name in ("a", "poison", "b"):
            spool.append(record(name))
        await shipper.drain(10)
    assert audit.kept == ["a", "b"]
    assert metric(metrics, "audit_rejected_total") == 1
