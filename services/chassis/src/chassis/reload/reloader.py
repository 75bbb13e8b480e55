"""Reads the configuration again and puts it in force: the one way, whoever asks for it."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

from chassis.config import ConfigError, Problem, Settings
from chassis.logs import Logger
from chassis.metrics import Metrics
from chassis.reload.changeable import find_fixed
from chassis.reload.outcome import Outcome, Reloaded, ReloadError
from chassis.snapshots import Snapshot

TURN = 30.0  # seconds that a reload waits for those before it


class Publication(Protocol):
    """Where snapshots come into force."""

    @property
    def current(self) -> Snapshot:
        """The snapshot in force."""

    @property
    def parts(self) -> Mapping[str, str]:
        """The version that each part has."""

    async def put_in_force(self, snapshot: Snapshot) -> None:
        """Returns when all parts have it, within a bounded time. Raises ReloadError: REFUSED when one vetoes it, INCOMPLETE
        when one does not answer."""


class Reloader:
    """One reload at a time. `read` reads and checks the whole configuration; it runs in a thread, for a large file takes long.

    `on_change` is called with each snapshot that came into force. What is in force and how reloads ended show as `runestone_snapshot_info` and `runestone_snapshot_reloads_total`.
    """

    def __init__(
        self,
        read: Callable[[], Snapshot],
        publication: Publication,
        *,
        metrics: Metrics,
        log: Logger,
        on_change: Callable[[Snapshot], None] = lambda _snapshot: None,
    ) -> None:
        self._read = read
        self._publication = publication
        self._log = log
        self._on_change = on_change
        self._turn = asyncio.Lock()
        self._reloads = metrics.counter("snapshot_reloads", "Reloads of the configuration, by their end", ("outcome",))
        self._info = metrics.gauge("snapshot_info", "The snapshot in force", ("version",))
        self._show_version(publication.current)

    async def reload(self, asker: str) -> Reloaded:
        """Reads the configuration and returns when all parts have it. Raises ReloadError with everything that is wrong.

        Cancelling it before all have made the new snapshot ready leaves the old one in force.
        """
        try:
            async with asyncio.timeout(TURN):
                await self._turn.acquire()
        except TimeoutError as late:
            raise ReloadError(Outcome.INCOMPLETE, "other reloads did not end; nothing was changed") from late
        try:
            reloaded = await self._reload()
        except ReloadError as error:
            self._reloads.labels(error.outcome).inc()
            self._log.error("reload failed", asker=asker, outcome=error.outcome, problems=error.lines)
            raise
        finally:
            self._turn.release()
        outcome = Outcome.CHANGED if reloaded.is_changed else Outcome.UNCHANGED
        self._reloads.labels(outcome).inc()
        say = self._log.info if reloaded.is_changed else self._log.debug
        say("reloaded", asker=asker, outcome=outcome, version=reloaded.version)
        return reloaded

    async def _reload(self) -> Reloaded:
        snapshot = await self._read_snapshot()
        before = self._publication.current
        if is_changed := snapshot.version != before.version:
            _refuse_fixed(before.settings, snapshot.settings)
            try:
                await self._publication.put_in_force(snapshot)
            finally:
                self._note_change(before)
        return Reloaded(version=snapshot.version, is_changed=is_changed, parts=self._publication.parts)

    async def _read_snapshot(self) -> Snapshot:
        try:
            return await asyncio.to_thread(self._read)
        except ConfigError as error:
            message = "the configuration cannot be used; nothing was changed"
            raise ReloadError(Outcome.INVALID, message, problems=error.problems) from error

    def _note_change(self, before: Snapshot) -> None:
        if (current := self._publication.current) is not before:
            self._show_version(current)
            self._on_change(current)

    def _show_version(self, current: Snapshot) -> None:
        self._info.clear()
        self._info.labels(current.version).set(1)


def _refuse_fixed(before: Settings, after: Settings) -> None:
    if fixed := find_fixed(before, after):
        problems = [Problem(tuple(path.split(".")), "cannot change at run time") for path in fixed]
        raise ReloadError(Outcome.RESTART_NEEDED, "this needs a restart; nothing was changed", problems=problems)
