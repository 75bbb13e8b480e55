"""A file that is changed whole or not at all, by one at a time: read under a lock, written beside, moved into its place."""

import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from launcher.errors import LaunchError

PATIENCE, PAUSE = 10.0, 0.05  # seconds to wait for somebody else's edit, and between two tries
MODE = 0o600
WRITABLE = 0o222


@dataclass(frozen=True, slots=True)
class Draft:
    """A file while nobody else edits it. `text` is what stands in it, None where it is not there."""

    path: Path
    text: str | None

    def replace(self, text: str) -> None:
        """Puts `text` in its place: on disk, mode 0600, its owner unchanged. Raises LaunchError when that cannot be; then the
        file is as it was."""
        try:
            _replace(self.path, text)
        except OSError as error:
            raise _cannot_write(self.path, error.strerror or str(error)) from error


@contextmanager
def editing(path: Path) -> Iterator[Draft]:
    """The file at `path`, or where a link leads; its folder is made where there is none, mode 0700.

    Raises LaunchError when it is read-only or cannot be read, or when somebody else edits for longer than 10 s.
    """
    path = path.resolve()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _refuse_read_only(path)
        folder = os.open(path.parent, os.O_RDONLY)
    except OSError as error:
        raise _cannot_write(path, error.strerror or str(error)) from error
    try:
        _lock(folder, path)
        yield Draft(path, _read(path))
    finally:
        os.close(folder)


def _refuse_read_only(path: Path) -> None:
    """Also to who could write all the same: moving another file into its place asks nobody, and root may do anything."""
    for place in (path, path.parent):
        if place.exists() and not (os.access(place, os.W_OK) and place.stat().st_mode & WRITABLE):
            raise _cannot_write(path, f"{place} is read-only")


def _lock(folder: int, path: Path) -> None:
    """The kernel lets go of it however the process ends."""
    deadline = time.monotonic() + PATIENCE
    while True:
        with suppress(BlockingIOError):
            return fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if time.monotonic() > deadline:
            raise LaunchError(f"another command edits files in {path.parent}; try again")
        time.sleep(PAUSE)


def _read(path: Path) -> str | None:
    try:
        return path.read_text()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise LaunchError(f"cannot read {path}: {error}") from error


def _replace(path: Path, text: str) -> None:
    descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mkstemp makes it 0600
    try:
        with os.fdopen(descriptor, "w") as file:
            _keep_owner(file.fileno(), path if path.exists() else path.parent)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)  # noqa: PTH105  the pair of mkstemp
    except BaseException:
        os.unlink(draft)  # noqa: PTH108  the pair of mkstemp
        raise
    _sync_folder(path.parent)


def _keep_owner(descriptor: int, model: Path) -> None:
    """What root edits stays readable for the service that reads it."""
    wanted, made = model.stat(), os.fstat(descriptor)
    if (wanted.st_uid, wanted.st_gid) != (made.st_uid, made.st_gid):
        os.fchown(descriptor, wanted.st_uid, wanted.st_gid)
    os.fchmod(descriptor, MODE)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _cannot_write(path: Path, reason: str) -> LaunchError:
    return LaunchError(f"cannot write {path}: {reason}; change keys where the file comes from")


def write_new(path: Path, text: str) -> None:
    """A new file for its owner only. Raises LaunchError when it cannot be made, or is there already."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise LaunchError(f"cannot write {path}: {error.strerror}; nothing is changed") from error
