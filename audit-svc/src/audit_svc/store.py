"""What audit-svc keeps and how it is asked for, whatever the engine."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol


class Position(NamedTuple):
    """Where a record stands among all: by its start (nanoseconds since the Unix epoch), then by its request_id.

    It depends on nothing but the record, so that a page token stays good in another engine or a restored database.
    """

    started_at: int
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One record: what it is searched by, and all of it as the serialized AuditRecord.

    A field that AuditRecord gains later is kept without a change here.
    """

    request_id: str
    started_at: int  # nanoseconds since the Unix epoch, a signed 64-bit number
    tenant: str
    model: str
    status: int
    record: bytes

    @property
    def position(self) -> Position:
        """Where it stands among all."""
        return Position(self.started_at, self.request_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """Which entries to find: every condition that is not None must hold. `since` is inclusive, `until` is not."""

    tenant: str | None = None
    since: int | None = None
    until: int | None = None
    model: str | None = None
    status: int | None = None
    request_id: str | None = None

    def hold_for(self, entry: Entry) -> bool:
        """Whether `entry` is to be found."""
        return (
            self.tenant in (None, entry.tenant)
            and self.model in (None, entry.model)
            and self.status in (None, entry.status)
            and self.request_id in (None, entry.request_id)
            and (self.since is None or entry.started_at >= self.since)
            and (self.until is None or entry.started_at < self.until)
        )


class AuditStore(Protocol):
    """Keeps entries once, for good. One conformance suite runs over every implementation."""

    async def append(self, entries: Sequence[Entry]) -> int:
        """Keeps all of `entries` or none; returns how many were new. When it returns they survive any crash.

        An entry whose request_id is already kept, here or earlier in the batch, is dropped. Raises RunestoneError
        UNAVAILABLE when the store cannot write. A cancelled append may or may not have been kept: append again.
        """

    async def search(self, conditions: Conditions, *, before: Position | None, limit: int) -> list[Entry]:
        """At most `limit` entries for which `conditions` hold, newest first, starting after `before`.

        Raises RunestoneError UNAVAILABLE when the store cannot be read. Cancelling stops the search in the engine.
        """
