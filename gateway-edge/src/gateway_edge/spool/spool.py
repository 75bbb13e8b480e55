"""Where audit records wait on local disk until audit-svc has them, so that no call waits for it.

Under the spool's folder each worker owns one directory (`<worker>-<random>`) of append-only segments. A worker that died
leaves its directory behind; any living worker adopts it.
"""

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from chassis.logs import Logger, get_logger
from gateway_edge.spool.directory import Batch, Damage, SpoolDirectory
from gateway_edge.spool.frame import write_frame
from gateway_edge.spool.rejects import RejectedLog

SEGMENT_BYTES = 1 << 20
BACKLOG_BYTES = 4 << 20  # the records of some 10,000 running calls


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolStatistics:
    """`size` in bytes on disk, adopted directories included; `records` of this worker that wait; `adopted` directories;
    frames of the `backlog` that the disk did not take yet; since start: `corrupt_frames` met, `lost` records."""

    size: int
    records: int
    adopted: int
    backlog: int
    corrupt_frames: int
    lost: int


class Spool:
    """The spool of one worker and of the orphans it adopted, in the folder `directory`.

    `max_bytes` bounds what new calls may add; the records of calls that are already running still find their place. What
    is read is at least once: a crash between shipping and `acknowledge` sends records again, and audit-svc drops them by
    their request_id. Not for use from several threads. Made and closed by its owner (`async with`); raises OSError when
    the folder cannot be used.

    An append is one write without fsync: the page cache outlives the process, which is the death to be survived here, and
    a sync would add milliseconds of disk to every call. A machine that loses its power loses what the kernel had not
    written back yet; audit-svc syncs what it acknowledges.
    """

    def __init__(
        self,
        directory: Path,
        worker: int,
        max_bytes: int,
        segment_bytes: int = SEGMENT_BYTES,
        *,
        log: Logger | None = None,
    ) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.appended = asyncio.Event()
        self.rejected = RejectedLog(directory / "rejected.log")
        self._root = directory
        self.max_bytes = max_bytes
        self._segment_bytes = segment_bytes
        self._log = log or get_logger("edge")
        self._own = SpoolDirectory.create(directory, worker, self._note_damage)
        self._adopted: deque[SpoolDirectory] = deque()
        self._backlog: deque[bytes] = deque()
        self._backlog_bytes = 0
        self._write_failure = ""
        self._corrupt_frames = 0
        self._lost = 0

    @property
    def size(self) -> int:
        """Bytes that wait on disk, adopted directories included."""
        return self._own.size + sum(directory.size for directory in self._adopted)

    @property
    def is_full(self) -> bool:
        """Whether no new call should begin: the bound is reached, or the disk did not take the last record."""
        return bool(self._backlog) or self.size >= self.max_bytes

    def append(self, record: bytes) -> None:
        """Keeps a serialized AuditRecord and sets `appended`. Never waits; a full disk does not raise.

        What the disk does not take stays in memory, 4 MiB of it, and is written first by the next append or peek. Beyond
        that a record is lost, counted and logged: `is_full` must have been ignored for long. Raises ValueError for an
        empty record.
        """
        frame = write_frame(record)
        if not self._write_backlog() or not self._write(frame):
            self._hold_back(frame)
        self.appended.set()

    def _write_backlog(self) -> bool:
        """Whether nothing is held back any more."""
        while self._backlog:
            if not self._write(self._backlog[0]):
                return False
            self._backlog_bytes -= len(self._backlog.popleft())
        return True

    def _write(self, frame: bytes) -> bool:
        try:
            self._own.append(frame, self._segment_bytes)
        except OSError as error:
            self._write_failure = str(error)
            return False
        return True

    def _hold_back(self, frame: bytes) -> None:
        if self._backlog_bytes + len(frame) > BACKLOG_BYTES:
            self._lost += 1
            self._complain("an audit record is lost: the spool cannot be written and its memory is full")
            return
        self._backlog.append(frame)
        self._backlog_bytes += len(frame)
        if len(self._backlog) == 1:
            self._complain("the audit spool cannot be written; new calls are refused", error=self._write_failure)

    def _complain(self, event: str, **facts: str | int) -> None:
        """Logs an error; the log may stand on the same full disk, and no record or call may fail for that."""
        with suppress(OSError):
            self._log.error(event, **facts)

    def peek(self, max_records: int = 500, max_bytes: int = SEGMENT_BYTES) -> Batch | None:
        """The oldest records that are not acknowledged, orphans' first; None when nothing waits. Asked again before
        `acknowledge`, it gives the same.

        `max_bytes` counts frames; one record is given whatever its size. It reads one segment at most, which is quick
        enough for the event loop. Raises OSError when the disk fails in a way that may pass.
        """
        self._write_backlog()
        while self._adopted:
            if (batch := self._adopted[0].peek(max_records, max_bytes)) is not None:
                return batch
            self._adopted.popleft().close()
        return self._own.peek(max_records, max_bytes)

    def acknowledge(self, batch: Batch) -> None:
        """The batch is kept elsewhere: it is not given again by this process, and its segment goes with its last record."""
        batch.directory.acknowledge(batch)

    def adopt_orphans(self) -> int:
        """Takes over directories whose owner is gone, as far as they fit under the bound; returns how many.

        A worker without anything of its own takes one of any size: somebody must. Raises OSError.
        """
        before = len(self._adopted)
        for path in sorted(self._root.glob("[0-9]*-*/")):
            orphan = SpoolDirectory.adopt(path, self._note_damage)
            if orphan is None:
                continue
            if self.size and self.size + orphan.size > self.max_bytes:
                orphan.close()
                continue
            self._log.info("adopted an audit spool", directory=path.name, bytes=orphan.size)
            self._adopted.append(orphan)
        return len(self._adopted) - before

    def _note_damage(self, damage: Damage) -> None:
        self._corrupt_frames += 1
        self._complain(
            "a damaged audit spool segment was given up",
            file=f"{damage.path.parent.name}/{damage.path.name}",
            offset=damage.offset,
            lost_bytes=damage.lost_bytes,
        )

    def close(self) -> None:
        """Leaves what waits to the next worker. Records that the disk still does not take are lost, and logged."""
        if not self._write_backlog():
            self._lost += len(self._backlog)
            self._complain("audit records are lost: the spool cannot be written", records=len(self._backlog))
        for directory in (*self._adopted, self._own):
            directory.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        self.close()

    def statistics(self) -> SpoolStatistics:
        """How it stands now."""
        return SpoolStatistics(
            size=self.size,
            records=self._own.waiting + len(self._backlog),
            adopted=len(self._adopted),
            backlog=len(self._backlog),
            corrupt_frames=self._corrupt_frames,
            lost=self._lost,
        )

    def __repr__(self) -> str:
        return f"Spool({self._root}, {self.size} of {self.max_bytes} bytes, {self.statistics().records} records)"
