"""The configuration as it stands on disk: read as often as asked, with every file that it was made of."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Generic, TypeVar

from chassis.config import ConfigError, Problem
from chassis.file_identity import Identity, identify

T = TypeVar("T")


class Source(Generic[T]):
    """What `load` makes of the file's text, and of the further files that `list_files` finds named in it. `path` None: no file,
    empty text.

    A change is seen by the files' inodes, times and sizes, through symbolic links: also an atomic rename, and the swap of
    `..data` by which Kubernetes updates a mounted ConfigMap or Secret.
    """

    def __init__(
        self,
        path: Path | None,
        load: Callable[[str], T],
        list_files: Callable[[str], Iterable[Path]] = lambda _text: (),
    ) -> None:
        self._path = path
        self._load = load
        self._list_files = list_files
        self._seen: dict[Path, Identity] = {}
        self._is_spent = False
        self._was_empty = True

    def read(self) -> T:
        """Reads everything anew. Raises ConfigError when that cannot be, or what is there is wrong."""
        own = [self._path] if self._path is not None and not self._is_pipe else []
        self._seen = {path: identify(path) for path in own}  # before it is read, so that no change is missed
        text = self._read_text()
        self._seen |= {path: identify(path) for path in self._list_files(text)}
        return self._load(text)

    @property
    def is_stale(self) -> bool:
        """Whether a file is another than when it was last read, successfully or not."""
        return self.look() != self._seen

    def look(self) -> dict[Path, Identity]:
        """The files as they are now; None where there is none."""
        return {path: identify(path) for path in list(self._seen)}

    @property
    def _is_pipe(self) -> bool:
        return self._path is not None and self._path.exists() and not self._path.is_file()

    def _read_text(self) -> str:
        if self._path is None:
            return ""
        if self._is_spent:
            raise ConfigError(
                [Problem((), "came through a pipe, which can be read once only; start anew to change it")]
            )
        try:
            self._is_spent = self._is_pipe
            text = self._path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError([Problem((), f"cannot be read: {error}")]) from error
        if not text.strip() and not self._was_empty:  # an editor at work: no tenant is to vanish for that
            raise ConfigError([Problem((), "is empty now; write `{}` where nothing is meant")])
        self._was_empty = not text.strip()
        return text

    def __repr__(self) -> str:
        return f"Source({self._path}, {len(self._seen)} files)"
