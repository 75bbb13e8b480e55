"""Where a reader stands in a stream: no event is read twice, and none is missed without being noticed. Pure."""

from dataclasses import dataclass
from typing import Any

from runestone_client.errors import EventsLostError
from runestone_client.texts import read_text


@dataclass(frozen=True, slots=True)
class Chunk:
    """One event of an answer. `data` is its JSON (or a text, where it is none), `seq` its number, `event` its name where events have names."""

    seq: int
    data: Any
    event: str = ""

    @property
    def text(self) -> str:
        """What the model says in it."""
        return read_text(self.data)


class Cursor:
    """Reads `stream:chunk`s behind event `last`."""

    __slots__ = ("last",)

    def __init__(self, last: int = 0) -> None:
        self.last = last

    def take(self, payload: dict[str, Any]) -> list[Chunk]:
        """The chunks in a message that were not read yet: what comes twice, because it was on its way when the connection was lost, is
        passed over. Raises EventsLostError when numbers are missing before it."""
        seq = int(payload["seq"])
        first = int(payload.get("first_seq", seq))
        if seq <= self.last:
            return []
        if first > self.last + 1:
            raise EventsLostError(f"event {self.last + 1} was expected, and {first} came")
        if "chunks" not in payload:
            self.last = seq
            return [Chunk(seq, payload.get("chunk"), str(payload.get("event", "")))]
        if first <= self.last:
            raise EventsLostError(f"events {first} to {seq} came together, of which {self.last} had been read")
        return self._take_several(payload, seq)

    def _take_several(self, payload: dict[str, Any], seq: int) -> list[Chunk]:
        """Only the last one's number is known for sure: events that show nothing may have stood between."""
        chunks = payload["chunks"]
        names = payload.get("events") or [""] * len(chunks)
        self.last = seq
        return [Chunk(seq, data, str(name)) for data, name in zip(chunks, names, strict=True)]
