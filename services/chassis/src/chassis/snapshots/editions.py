"""What a service makes of its snapshots: one edition of each that is in force, ready to be, or still carried by calls."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from chassis.context import current as current_call
from chassis.errors import Reason, RunestoneError
from chassis.snapshots.snapshot import WRITTEN, Snapshot

T = TypeVar("T")

ABSENCES = {Reason.NOT_FOUND, Reason.MODEL_NOT_FOUND}


class Refusal(Exception):  # noqa: N818  what a process answers, not what went wrong in it
    """A snapshot that this process cannot make anything of; the message says why."""


def itself(version: str) -> str:
    """Calls are served under the version that they carry."""
    return version


class Editions(Generic[T]):
    """The editions of one follower of a `SnapshotFeed`; only the feed calls `prepare`, `put_in_force` and `forget`.

    `make` may raise: the snapshot is then refused. With `keeps_past` those of earlier versions stay for calls that began
    with them, and each is given to `drop` when its time is over. `find` gives the version under which calls of another are served.
    """

    def __init__(
        self,
        make: Callable[[Snapshot], T],
        *,
        keeps_past: bool = False,
        drop: Callable[[T], None] = lambda _edition: None,
        find: Callable[[str], str] = itself,
    ) -> None:
        self._make = make
        self._find = find
        self._drop = drop
        self._editions: dict[str, T] = {}
        self._current: T | None = None
        self.keeps_past = keeps_past

    @property
    def current(self) -> T:
        """The edition in force."""
        assert self._current is not None, "a feed puts an edition in force before it hands the editions out"
        return self._current

    def of_call(self) -> T:
        """The edition of the version that the running call carries, or what stands for it, or the one in force where it carries none.

        The server has waited for the version (`SnapshotFeed.wait_for`). Raises UNAVAILABLE, not begun, where nothing could be
        made of it.
        """
        version = current_call().version
        if not version:
            return self.current
        edition = self._editions.get(self._find(version))
        if edition is None:
            raise unknown_version(version)
        return edition

    @contextmanager
    def for_call(self) -> Iterator[T]:
        """The same, as a context. What that edition lacks and another's may have (NOT_FOUND, MODEL_NOT_FOUND raised inside) is UNAVAILABLE,
        not begun: a replica which has read the newer file knows it."""
        version = current_call().version
        try:
            yield self.of_call()
        except RunestoneError as error:
            if error.reason not in ABSENCES or not version or self._find(version)[:WRITTEN] == version[:WRITTEN]:
                raise
            raise unknown_version(version) from error

    def prepare(self, snapshot: Snapshot) -> None:
        """Makes the edition of a snapshot, where there is none. Raises what `make` raises."""
        if snapshot.version not in self._editions:
            self._editions[snapshot.version] = self._make(snapshot)

    def put_in_force(self, version: str) -> None:
        """The edition of `version` is the current one."""
        self._current = self._editions[version]

    def forget(self, version: str) -> None:
        """Drops the edition of `version`, where there is one."""
        if (edition := self._editions.pop(version, None)) is not None:
            self._drop(edition)

    def __repr__(self) -> str:
        return f"Editions({', '.join(self._editions)})"


def unknown_version(version: str) -> RunestoneError:
    """The call may be sent to another replica, or again."""
    message = f"the configuration {version[:32]} is not known to this replica"
    return RunestoneError(Reason.UNAVAILABLE, message, retry_after=1.0, may_have_begun=False)
