"""Putting a snapshot in force in every process of the mesh: made ready by all first, so that none can fail to follow."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from chassis.reload.outcome import Outcome, ReloadError
from chassis.snapshots import Snapshot
from launcher.plan import Part
from launcher.publisher import Publisher, Standing, Watcher

PATIENCE = 15.0  # seconds for each of the two steps: a part that was killed is back within them


class Rollout:
    """The mesh as a publication. A part that dies on the way is waited for: its successor makes the candidate ready as well."""

    def __init__(self, publisher: Publisher, parts: Sequence[Part], *, patience: float = PATIENCE) -> None:
        self._publisher = publisher
        self._parts: dict[Watcher, str] = {(part.node.name, part.worker): part.name for part in parts}
        self._patience = patience

    @property
    def current(self) -> Snapshot:
        """The snapshot in force."""
        return self._publisher.current

    @property
    def parts(self) -> Mapping[str, str]:
        """The version that each part reported last."""
        return {name: self._standing(watcher).version for watcher, name in self._parts.items()}

    async def put_in_force(self, snapshot: Snapshot) -> None:
        """Returns when every part has `snapshot` in force. Raises ReloadError, REFUSED or INCOMPLETE; cancelled, or raising
        before all are ready, it leaves everything as it was."""
        self._publisher.propose(snapshot)
        try:
            await self._wait_until_ready(snapshot.version)
        except BaseException:
            self._publisher.withdraw()
            raise
        self._publisher.put_in_force(snapshot)
        await self._wait_until_in_force(snapshot.version)

    async def _wait_until_ready(self, version: str) -> None:
        def late() -> list[str]:
            self._heed_veto(version)
            return self._parts_where(lambda standing: standing.ready != version)

        if lacking := await self._wait_for(late):
            message = "not every part made the configuration ready in time; nothing was changed"
            raise ReloadError(Outcome.INCOMPLETE, message, parts=dict.fromkeys(lacking, "did not answer"))

    async def _wait_until_in_force(self, version: str) -> None:
        def late() -> list[str]:
            return self._parts_where(lambda standing: standing.version != version)

        if lacking := await self._wait_for(late):
            message = "the configuration is in force, but not in every part yet"
            parts = dict.fromkeys(lacking, "takes it when it answers again")
            raise ReloadError(Outcome.INCOMPLETE, message, parts=parts, is_in_force=True)

    def _heed_veto(self, version: str) -> None:
        vetoes = {
            name: standing.problem
            for watcher, name in self._parts.items()
            if (standing := self._standing(watcher)).refused == version
        }
        if vetoes:
            raise ReloadError(Outcome.REFUSED, "a part refused the configuration; nothing was changed", parts=vetoes)

    async def _wait_for(self, late: Callable[[], list[str]]) -> list[str]:
        """Waits until no part is `late`, or for as long as patience lasts; returns those that still are."""
        try:
            async with asyncio.timeout(self._patience):
                while late():
                    await self._publisher.next_report()
        except TimeoutError:
            return late()
        return []

    def _parts_where(self, holds: Callable[[Standing], bool]) -> list[str]:
        return [name for watcher, name in self._parts.items() if holds(self._standing(watcher))]

    def _standing(self, watcher: Watcher) -> Standing:
        return self._publisher.standings.get(watcher, Standing())
