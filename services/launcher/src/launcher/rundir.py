"""The private directory of the mesh's sockets, and the lock that keeps a second mesh out of the same data directory."""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from launcher.errors import LaunchError

LONGEST_SOCKET = 100  # the kernel's limit is 108 bytes on Linux, 104 on macOS
PREFIX = "runestone-"
LOCK = "lock"
PROBES, PROBE_PAUSE = 5, 0.05  # somebody who only looks whether a mesh runs holds the lock for an instant


@contextmanager
def run_directory(base: str | None = None) -> Iterator[Path]:
    """A new 0700 directory with a short path, below `base`, XDG_RUNTIME_DIR or /tmp; removed with all it holds at the end."""
    path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=_choose_base(base or os.environ.get("XDG_RUNTIME_DIR"))))
    try:
        yield path
    finally:
        remove_run_directory(path)


def remove_run_directory(path: Path) -> None:
    """Removes the directory and its sockets; anything that is not a run directory of ours stays."""
    if path.name.startswith(PREFIX) and path.is_dir() and not path.is_symlink() and path.stat().st_uid == os.getuid():
        shutil.rmtree(path, ignore_errors=True)


def _choose_base(wanted: str | None) -> str:
    """`wanted` where it can be used and its sockets' paths stay short enough, else /tmp."""
    room = LONGEST_SOCKET - len(f"/{PREFIX}12345678/ratelimit.sock")
    if wanted and len(wanted) <= room and os.access(wanted, os.W_OK | os.X_OK):
        return wanted
    return "/tmp"  # noqa: S108  mkdtemp makes a private directory in it


@contextmanager
def data_lock(data_dir: Path) -> Iterator[None]:
    """Holds `<data-dir>/lock`; the kernel lets go of it however the process ends.

    Raises LaunchError when another mesh holds it, or when the directory cannot be written.
    """
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(data_dir / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise LaunchError(f"cannot write to the data directory {data_dir}: {error.strerror}") from error
    try:
        if not _try_lock(descriptor):
            raise _busy(data_dir)
        yield
    finally:
        os.close(descriptor)


def refuse_busy(data_dir: Path) -> None:
    """Raises LaunchError when a mesh runs on `data_dir`: for whoever would write there before it holds the lock."""
    if is_locked(data_dir):
        raise _busy(data_dir)


def is_locked(data_dir: Path) -> bool:
    """Whether a mesh runs on `data_dir`."""
    try:
        descriptor = os.open(data_dir / LOCK, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _busy(data_dir: Path) -> LaunchError:
    return LaunchError(f"another mesh runs on {data_dir}; stop it, or choose another --data-dir")


def _try_lock(descriptor: int) -> bool:
    for _ in range(PROBES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(PROBE_PAUSE)
        else:
            return True
    return False
