"""One file of a spool: written by its owner, read from where the last acknowledgement ended."""

import errno
import os
from pathlib import Path
from typing import Self

from gateway_edge.spool.frame import Frames, read_frames

# What the disk will not give back however often it is asked. Any other failure to read (no descriptors left, say) passes.
_LOST = {errno.ENOENT, errno.EIO}


class Segment:
    """Frames in a file. `size` and `acknowledged` are offsets in bytes; `waiting` counts the records that were written
    by this process and not acknowledged, none of a predecessor's."""

    def __init__(self, path: Path, size: int, descriptor: int | None = None) -> None:
        self.path = path
        self.size = size
        self.acknowledged = 0
        self.waiting = 0
        self._descriptor = descriptor

    @classmethod
    def create(cls, path: Path) -> Self:
        """A new file to append to, readable by its owner only. Raises OSError."""
        return cls(path, 0, os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600))

    @classmethod
    def find(cls, path: Path) -> Self:
        """A file that another process wrote. Raises OSError."""
        return cls(path, path.stat().st_size)

    @property
    def is_open(self) -> bool:
        """Whether it can be appended to."""
        return self._descriptor is not None

    @property
    def is_read(self) -> bool:
        """Whether everything in it is acknowledged."""
        return self.acknowledged >= self.size

    def append(self, frame: bytes) -> None:
        """One write. Raises OSError when the disk does not take the whole frame; then nothing of it is in the segment."""
        assert self._descriptor is not None
        try:
            write_whole(self._descriptor, frame)
        except OSError:
            self._cut_back()
            raise
        self.size += len(frame)
        self.waiting += 1

    def _cut_back(self) -> None:
        """Removes what a failed write left; when even that fails, nothing may follow it in this file."""
        assert self._descriptor is not None
        try:
            os.ftruncate(self._descriptor, self.size)
        except OSError:
            self.seal()

    def read(self, max_records: int, max_bytes: int) -> Frames:
        """The frames behind what is acknowledged; `end` is an offset in the file. Changes nothing.

        A file that is gone or that the disk cannot read is damaged. Raises OSError for failures that may pass.
        """
        try:
            data = self._read_rest()
        except OSError as error:
            if error.errno not in _LOST:
                raise
            return Frames((), self.acknowledged, is_damaged=True)
        frames = read_frames(data, max_records=max_records, max_bytes=max_bytes)
        end = self.acknowledged + frames.end
        is_short = not frames.payloads and end < self.size  # somebody cut the file
        return Frames(frames.payloads, end, is_damaged=frames.is_damaged or is_short)

    def _read_rest(self) -> bytes:
        """All that is not acknowledged: little more than a segment's bound, mostly from the page cache."""
        if self._descriptor is not None:
            return os.pread(self._descriptor, self.size - self.acknowledged, self.acknowledged)
        with self.path.open("rb") as file:
            file.seek(self.acknowledged)
            return file.read(self.size - self.acknowledged)

    def acknowledge(self, end: int, records: int) -> None:
        """What stands before the offset `end` needs not be read again; said twice, it changes nothing."""
        if end > self.acknowledged:
            self.acknowledged = end
            self.waiting = max(0, self.waiting - records)

    def seal(self) -> None:
        """No more appends."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def delete(self) -> None:
        """Removes the file."""
        self.seal()
        self.path.unlink(missing_ok=True)

    def __repr__(self) -> str:
        return f"Segment({self.path.name}, {self.acknowledged} of {self.size} bytes acknowledged)"


def write_whole(descriptor: int, data: bytes) -> None:
    """One write. Raises OSError also when the disk took a part only; the part is there."""
    if os.write(descriptor, data) < len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
