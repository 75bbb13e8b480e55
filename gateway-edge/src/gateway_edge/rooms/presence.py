"""Who is in a room: as the room says, and as the members of this edge were told. Pure.

What is told has the shape that Phoenix' clients keep in step with (`Presence.syncState` and `syncDiff` of phoenix.js): by key, the
presences behind it, each with a `phx_ref` that is another one after every change.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from orjson import Fragment

Group = dict[str, dict[str, list[Any]]]


class Entry(NamedTuple):
    """One presence: whom it stands for, and what is told of it, a JSON object with its `phx_ref`."""

    key: str
    meta: bytes


class Diff(NamedTuple):
    """What changed since the last telling, as `presence_diff` has it."""

    joins: Group
    leaves: Group


class Presence:
    """Takes what the room says as it comes, and tells of it whenever it is asked: what came and went in between is not told."""

    def __init__(self) -> None:
        self._known: dict[str, Entry] = {}
        self._told: dict[str, Entry] = {}
        self._changed: set[str] = set()

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, ref: object) -> bool:
        return ref in self._known

    def find(self, ref: str) -> Entry | None:
        """The presence with a ref."""
        return self._known.get(ref)

    def enter(self, ref: str, entry: Entry) -> None:
        """Somebody came, or changed."""
        self._known[ref] = entry
        self._changed.add(ref)

    def leave(self, ref: str) -> None:
        """Somebody went; harmless for who was not there."""
        if self._known.pop(ref, None) is not None:
            self._changed.add(ref)

    def replace(self, entries: Mapping[str, Entry], kept: Iterable[str] = ()) -> None:
        """All who are there, after changes may have been missed. Those `kept` stay as they are: it is known better that they are."""
        still = {ref: self._known[ref] for ref in kept if ref in self._known and ref not in entries}
        for ref in self._known.keys() - entries.keys() - still.keys():
            self.leave(ref)
        for ref, entry in entries.items():
            if self._known.get(ref) != entry:
                self.enter(ref, entry)

    def tell(self) -> Diff | None:
        """What is not told yet, which then is; None for nothing."""
        joins, leaves = {}, {}
        for ref in self._changed:
            before, now = self._told.get(ref), self._known.get(ref)
            if before == now:
                continue
            if before is not None:
                leaves[ref] = before
                del self._told[ref]
            if now is not None:
                joins[ref] = self._told[ref] = now
        self._changed.clear()
        return Diff(group(joins.values()), group(leaves.values())) if joins or leaves else None

    def state(self) -> Group:
        """Everybody, as told, as `presence_state` has it."""
        return group(self._told.values())

    def __repr__(self) -> str:
        return f"Presence({len(self._known)} there, {len(self._changed)} changes to tell)"


def group(entries: Iterable[Entry]) -> Group:
    """Presences by whom they stand for."""
    grouped: Group = {}
    for key, meta in entries:
        grouped.setdefault(key, {"metas": []})["metas"].append(Fragment(meta))
    return grouped
