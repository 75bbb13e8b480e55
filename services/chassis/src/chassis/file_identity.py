"""What tells a file from its successor: a write, an atomic rename, and the turned link by which Kubernetes updates what it mounts."""

import os
import stat
from pathlib import Path

Identity = tuple[int, int, int, int] | None


def identify(path: Path) -> Identity:
    """Where the file lies, when it was written and its size, through every link; None where there is no regular file."""
    try:
        found = os.stat(path)  # noqa: PTH116  one system call
    except OSError:
        return None
    return (found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size) if stat.S_ISREG(found.st_mode) else None
