"""The way of audit records from the spool to audit-svc: in order, in batches, again until acknowledged."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from google.protobuf.message import DecodeError

from chassis.clock import Clock
from chassis.errors import Reason, RunestoneError
from chassis.logs import Logger
from chassis.metrics import Metrics
from gateway_edge.spool.directory import Batch
from gateway_edge.spool.spool import Spool
from runestone.audit.v1.audit_pb2 import AppendRequest, AppendResponse, AuditRecord

# Seconds.
APPEND_TIMEOUT = 10.0
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0
GATHERING_PAUSE = 0.25  # records gather this long behind a batch, so that they share the next one and its commit
IDLE_WAIT = 1.0  # a spool that the disk refused is tried again this often
ADOPTION_INTERVAL = 10.0

MAX_RECORDS, MAX_BYTES = 500, 1 << 20
REFUSALS = {Reason.INVALID_REQUEST, Reason.BODY_TOO_LARGE}  # INVALID_ARGUMENT: the same again is refused again


class AuditStub(Protocol):
    """What the shipper needs of AuditService; calls raise RunestoneError."""

    def Append(self, request: AppendRequest, *, timeout: float | None = None) -> Awaitable[AppendResponse]:  # noqa: N802  grpc's name
        """Answers when all of the batch is durable."""


class Shipper:
    """Ships one worker's spool and the orphans it adopts.

    `run` is the background task, `drain` the last effort before the edge stops; a lock lets one of them ship at a time, so
    that the order holds. Cancelling either at any moment loses nothing: what was not acknowledged is shipped again.
    """

    def __init__(
        self,
        spool: Spool,
        audit: AuditStub,
        clock: Clock,
        log: Logger,
        metrics: Metrics,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._spool = spool
        self._audit = audit
        self._clock = clock
        self._log = log
        self._sleep = sleep
        self._jitter = jitter
        self._shipping = asyncio.Lock()
        self._adopt_at = clock.monotonic()
        self._failures = 0
        self._oldest: float | None = (
            None  # when the oldest record that is not shipped was written, in seconds since the epoch
        )
        self._shipped = metrics.counter("audit_shipped", "Audit records that audit-svc acknowledged")
        self._failed = metrics.counter("audit_ship_failures", "Batches that audit-svc did not take, each tried again")
        self._rejected = metrics.counter("audit_rejected", "Audit records that audit-svc refused, kept in rejected.log")
        _show(spool, metrics)
        age = metrics.gauge("audit_spool_oldest_seconds", "Age of the oldest audit record that is being shipped")
        age.set_function(lambda: 0.0 if self._oldest is None else max(0.0, clock.time() - self._oldest))

    async def run(self) -> None:
        """Ships what is appended, until cancelled."""
        while True:
            try:
                await self._ship_round()
            except Exception as error:  # noqa: BLE001  the outermost loop of the task: records wait on disk meanwhile
                self._log.error("shipping audit records failed", exc_info=error)
                await self._sleep(LONGEST_PAUSE)

    async def _ship_round(self) -> None:
        self._adopt_when_due()
        self._spool.appended.clear()
        batch = await self._ship_batch()
        if batch is None:
            await self._wait_for_records()
        elif batch.is_last:
            await self._sleep(GATHERING_PAUSE)

    def _adopt_when_due(self) -> None:
        if self._clock.monotonic() >= self._adopt_at:
            self._adopt_at = self._clock.monotonic() + ADOPTION_INTERVAL
            self._spool.adopt_orphans()

    async def _wait_for_records(self) -> None:
        try:
            async with asyncio.timeout(IDLE_WAIT):
                await self._spool.appended.wait()
        except TimeoutError:
            return

    async def drain(self, timeout: float) -> None:
        """Ships what waits, for up to `timeout` seconds. The rest stays on disk for the next worker, which is logged."""
        try:
            async with asyncio.timeout(timeout):
                while await self._ship_batch() is not None:
                    pass
        except (TimeoutError, OSError) as error:
            self._log.warning("audit records stay in the spool", spool=repr(self._spool), error=repr(error))

    async def _ship_batch(self) -> Batch | None:
        """Ships and acknowledges the oldest batch; None when nothing waits. Raises OSError when the spool's disk fails."""
        async with self._shipping:
            batch = self._spool.peek(MAX_RECORDS, MAX_BYTES)
            if batch is not None:
                await self._deliver(batch.records)
                self._spool.acknowledge(batch)
            self._oldest = None
            return batch

    async def _deliver(self, records: Sequence[bytes]) -> None:
        """Returns when each record is in audit-svc or, refused for good, in rejected.log.

        audit-svc refuses a batch whole for one bad record: halving finds it in a few steps, and the order holds.
        """
        refusal = await self._find_refusal(records)
        if refusal is None:
            self._shipped.inc(len(records))
        elif len(records) == 1:
            self._reject(records[0], refusal)
        else:
            middle = len(records) // 2
            await self._deliver(records[:middle])
            await self._deliver(records[middle:])

    async def _find_refusal(self, records: Sequence[bytes]) -> str | None:
        """Why the records can never be kept as they are; None when they are kept. Waits out every other failure."""
        try:
            request = AppendRequest(records=[AuditRecord.FromString(record) for record in records])
        except DecodeError as error:
            return f"not an AuditRecord: {error}"
        if self._oldest is None:
            self._oldest = _when_written(request.records[0])
        pause = FIRST_PAUSE
        while True:
            try:
                await self._audit.Append(request, timeout=APPEND_TIMEOUT)
            except RunestoneError as error:
                if error.reason in REFUSALS:
                    return error.message
                self._note_failure(error)
            else:
                self._note_success()
                return None
            await self._sleep(pause * (0.5 + self._jitter() / 2))
            pause = min(pause * 2, LONGEST_PAUSE)

    def _reject(self, record: bytes, reason: str) -> None:
        self._spool.rejected.keep(record, reason, self._clock.time())
        self._rejected.inc()
        self._log.error("an audit record was refused and set aside in rejected.log", reason=reason)

    def _note_failure(self, error: RunestoneError) -> None:
        self._failures += 1
        self._failed.inc()
        if self._failures == 1:
            self._log.warning("audit-svc does not take records; they spool", reason=error.reason, message=error.message)

    def _note_success(self) -> None:
        if self._failures:
            self._log.info("audit-svc takes records again", failures=self._failures)
        self._failures = 0

    def __repr__(self) -> str:
        return f"Shipper({self._spool!r}, {self._failures} failures in a row)"


def _show(spool: Spool, metrics: Metrics) -> None:
    """The spool's gauges read it when they are asked for."""
    for name, help_text, measure in (
        ("audit_spool_bytes", "Bytes of audit records that wait on disk", lambda: spool.size),
        ("audit_spool_max_bytes", "Bytes of them at which new calls are refused", lambda: spool.max_bytes),
        ("audit_spool_records", "Audit records of this worker that wait", lambda: spool.statistics().records),
        ("audit_spool_corrupt_frames", "Damaged frames met in spools", lambda: spool.statistics().corrupt_frames),
        ("audit_spool_lost", "Audit records that found no place", lambda: spool.statistics().lost),
    ):
        metrics.gauge(name, help_text).set_function(measure)


def _when_written(record: AuditRecord) -> float:
    """When its call ended, in seconds since the epoch."""
    began, took = record.started_at, record.duration
    return began.seconds + took.seconds + (began.nanos + took.nanos) / 1e9
