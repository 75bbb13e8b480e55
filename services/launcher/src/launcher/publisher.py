"""The snapshot in force, the candidate that may follow it, and how far each watching process is."""

from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass

from chassis.bell import Bell
from chassis.config import Settings
from chassis.snapshots import Snapshot, snapshot_version

Watcher = tuple[str, int]  # a service's name, and the process's number among equals
PAST = 2  # snapshots before the one in force, for a process that starts while calls still carry them


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What every watcher is told: which snapshot is in force, and which is to be made ready."""

    current: Snapshot
    candidate: Snapshot | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How one process stands, as it reported last: versions, empty where there is none."""

    version: str = ""
    ready: str = ""
    refused: str = ""
    problem: str = ""


class Publisher:
    """Tells all watchers how things stand, and keeps what they report."""

    def __init__(self, settings: Settings) -> None:
        self.state = State(current=Snapshot(snapshot_version(settings), settings))
        self.past: deque[Snapshot] = deque(maxlen=PAST)
        self.standings: dict[Watcher, Standing] = {}
        self._changed = Bell()
        self._reported = Bell()

    @property
    def current(self) -> Snapshot:
        """The snapshot in force."""
        return self.state.current

    def propose(self, candidate: Snapshot) -> None:
        """Asks every watcher to make `candidate` ready. What they reported before counts no more."""
        self.standings.clear()
        self._tell(State(current=self.current, candidate=candidate))

    def withdraw(self) -> None:
        """There is no candidate any more."""
        self._tell(State(current=self.current))

    def put_in_force(self, snapshot: Snapshot) -> None:
        """Puts a snapshot in force."""
        self.past.append(self.current)
        self._tell(State(current=snapshot))

    def note(self, watcher: Watcher, standing: Standing) -> None:
        """Takes a report."""
        self.standings[watcher] = standing
        self._reported.ring()

    async def next_report(self) -> None:
        """Returns when a watcher reports."""
        await self._reported.wait()

    async def states(self) -> AsyncIterator[State]:
        """How things stand now, then at every change; a slow reader gets the newest only.

        Never ends by itself: the reader's cancel ends it.
        """
        told: State | None = None
        while True:
            if self.state is not told:
                told = self.state
                yield told
            else:
                await self._changed.wait()

    def _tell(self, state: State) -> None:
        self.state = state
        self._changed.ring()
