"""Keys that live in files of the data directory: made once, readable by their owner only, never printed."""

import os
import re
import tempfile
from contextlib import suppress
from pathlib import Path

from chassis.keys import generate_key, is_mistyped
from launcher.errors import LaunchError

DEVELOPMENT_KEY = "development.key"
ADMIN_KEY = "admin.key"
SHORTEST, LONGEST = 16, 256


def ensure_key(path: Path) -> str:
    """The key in `path`; where there is no file, a generated one is written there, mode 0600.

    Two that start at once get the same key. Raises LaunchError when the file holds no key, OSError when it cannot be
    read or written.
    """
    if not path.exists():
        _write_once(path, generate_key())
    return read_key(path)


def read_key(path: Path) -> str:
    """The key in `path`. Raises LaunchError when there is none, without showing what stands there instead."""
    try:
        key = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise LaunchError(f"cannot read the key in {path}: {error}") from error
    if not _may_be_key(key):
        raise LaunchError(f"{path} does not hold a key; remove the file and a new one is made at the next start")
    return key


def _may_be_key(text: str) -> bool:
    return SHORTEST <= len(text) <= LONGEST and re.fullmatch("[!-~]+", text) is not None and not is_mistyped(text)


def _write_once(path: Path, key: str) -> None:
    """Whole or not at all, and the first writer wins: a link to a finished file cannot replace one that is there."""
    descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mkstemp makes it 0600
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(key)  # no line end: what reads the file whole has the key
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        os.unlink(draft)  # noqa: PTH108  the pair of mkstemp
