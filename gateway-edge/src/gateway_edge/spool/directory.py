"""One owner's part of the spool: numbered segments in a locked directory, read front to back."""

import secrets
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from gateway_edge.spool.lock import DirectoryLock, take_lock
from gateway_edge.spool.segment import Segment

_SUFFIX = ".log"


@dataclass(frozen=True, slots=True)
class Batch:
    """Records in their order, to be acknowledged together. `is_last`: nothing stood behind them."""

    records: tuple[bytes, ...]
    directory: "SpoolDirectory"
    segment: Segment
    end: int
    is_last: bool


@dataclass(frozen=True, slots=True)
class Damage:
    """Where a segment could not be read on, and how many bytes of it were given up."""

    path: Path
    offset: int
    lost_bytes: int


class SpoolDirectory:
    """Segments `00000000.log`, `00000001.log`, ... A segment is deleted when all of it is acknowledged, and from its
    first damaged frame on: reading goes on with the next one, and `on_damage` is told.

    `size` is what the segments hold on disk, in bytes.
    """

    def __init__(
        self, path: Path, lock: DirectoryLock, segments: Iterable[Segment], on_damage: Callable[[Damage], None]
    ) -> None:
        self.path = path
        self._lock = lock
        self._segments = deque(segments)
        self._on_damage = on_damage
        self._next_number = 0
        self.size = sum(segment.size for segment in self._segments)

    @classmethod
    def create(cls, root: Path, worker: int, on_damage: Callable[[Damage], None]) -> Self:
        """A new directory under `root`, owned by this process. Raises OSError."""
        while True:
            path = root / f"{worker}-{secrets.token_hex(8)}"
            path.mkdir(mode=0o700)
            # Between the two steps somebody may have taken it for an orphan's: leave it to them.
            if (lock := take_lock(path)) is not None:
                return cls(path, lock, (), on_damage)

    @classmethod
    def adopt(cls, path: Path, on_damage: Callable[[Damage], None]) -> Self | None:
        """The directory of an owner that is gone, now owned by this process; None while its owner lives. Raises OSError."""
        if (lock := take_lock(path)) is None:
            return None
        try:
            files = sorted(file for file in path.iterdir() if file.suffix == _SUFFIX)
            return cls(path, lock, map(Segment.find, files), on_damage)
        except BaseException:
            lock.release()
            raise

    @property
    def waiting(self) -> int:
        """Records written by this process and not acknowledged."""
        return sum(segment.waiting for segment in self._segments)

    def append(self, frame: bytes, segment_bytes: int) -> None:
        """Writes behind everything else, into a new segment when the last one has `segment_bytes`. Raises OSError."""
        if not self._segments or not self._segments[-1].is_open or self._segments[-1].size >= segment_bytes:
            self._begin_segment()
        self._segments[-1].append(frame)
        self.size += len(frame)

    def _begin_segment(self) -> None:
        segment = Segment.create(self.path / f"{self._next_number:08}{_SUFFIX}")
        self._next_number += 1
        if self._segments:
            self._segments[-1].seal()
        self._segments.append(segment)

    def peek(self, max_records: int, max_bytes: int) -> Batch | None:
        """The next records that are not acknowledged, never from two segments; None when there are none. Raises OSError."""
        while self._segments:
            segment = self._segments[0]
            frames = segment.read(max_records, max_bytes)
            if frames.payloads:
                is_last = len(self._segments) == 1 and frames.end == segment.size
                return Batch(frames.payloads, self, segment, frames.end, is_last)
            if frames.is_damaged:
                self._on_damage(Damage(segment.path, frames.end, segment.size - frames.end))
            elif segment.is_open:
                return None
            self._drop_first()
        return None

    def acknowledge(self, batch: Batch) -> None:
        """Forgets the batch; deletes its segment when that was the rest of it, so that an idle spool is an empty one."""
        batch.segment.acknowledge(batch.end, len(batch.records))
        if self._segments and self._segments[0] is batch.segment and batch.segment.is_read:
            self._drop_first()

    def _drop_first(self) -> None:
        segment = self._segments.popleft()
        self.size -= segment.size
        segment.delete()

    def close(self) -> None:
        """Gives the directory up: to nobody when it is empty, else to the next worker that looks for orphans."""
        if self.size:
            for segment in self._segments:
                segment.seal()
            self._lock.release()
            return
        while self._segments:
            self._drop_first()
        with suppress(OSError):  # something that is not ours stands in it
            self._lock.release_and_remove()

    def __repr__(self) -> str:
        return f"SpoolDirectory({self.path.name}, {len(self._segments)} segments, {self.size} bytes)"
