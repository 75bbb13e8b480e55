"""What was read of files, and is read anew when they have changed: certificates of servers. Nothing watches them; whoever needs what they
hold has them looked at, three looks at the file system's cache, and finds what lies there now."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from chassis.file_identity import identify

T = TypeVar("T")


class KeptFiles(Generic[T]):
    """Read once when it is made, which raises what `read` raises, and again when one of `paths` has changed.

    Of a change `taken` is told what is in use from now on, or `refused` the error (a `refusal`) for which what was read before stays in
    use; neither may ask for `current`. Another error that `read` raises is raised. Any thread may ask.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        read: Callable[[], T],
        *,
        taken: Callable[[T], None],
        refused: Callable[[Exception], None],
        refusal: type[Exception] = OSError,
    ) -> None:
        self._paths = paths
        self._read = read
        self._taken = taken
        self._refused = refused
        self._refusal = refusal
        self._lock = threading.Lock()
        self._seen = self._look()
        self._current = read()

    @property
    def current(self) -> T:
        """The same object as long as nothing has changed."""
        with self._lock:
            if (now := self._look()) != self._seen:
                self._seen = now  # as it was before reading: what changes meanwhile is read once more
                self._read_again()
            return self._current

    def _read_again(self) -> None:
        try:
            found = self._read()
        except self._refusal as error:
            self._refused(error)
            return
        if found != self._current:
            self._current = found
            self._taken(found)

    def _look(self) -> tuple[object, ...]:
        """How the files are now: equal looks are equal files. Kubernetes turns a link: what it leads to is looked at."""
        return tuple(map(identify, self._paths))

    def __repr__(self) -> str:
        return f"KeptFiles({self._current!r})"
