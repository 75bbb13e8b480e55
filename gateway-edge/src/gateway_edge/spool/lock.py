"""Who owns a spool directory: whoever holds the lock on the file in it.

The kernel lets go of the lock when the process dies, however it dies, and at no other time: no heartbeat, no stale owner.
"""

import fcntl
import os
from pathlib import Path

_NAME = "lock"


class DirectoryLock:
    """The ownership of one directory, until `release` or the process's death. Holds on local file systems only."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    def release(self) -> None:
        """Gives the directory up, with what is in it."""
        os.close(self._descriptor)

    def release_and_remove(self) -> None:
        """Gives the directory up and removes it. Raises OSError when something else is in it."""
        try:
            self._path.unlink(missing_ok=True)
            self._path.parent.rmdir()
        finally:
            self.release()


def take_lock(directory: Path) -> DirectoryLock | None:
    """The ownership of `directory`; None when somebody has it or the directory is gone. Never waits. Raises OSError."""
    path = directory / _NAME
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except FileNotFoundError:
        return None
    try:
        is_ours = _lock_file(path, descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    if not is_ours:
        os.close(descriptor)
        return None
    return DirectoryLock(path, descriptor)


def _lock_file(path: Path, descriptor: int) -> bool:
    """Whether the lock was free, on the file that still stands there: the last owner may have just removed it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except (BlockingIOError, FileNotFoundError):
        return False
