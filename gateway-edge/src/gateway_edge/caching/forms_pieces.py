"""JSON that was told in pieces, put together again.

Values stay the bytes that they were: strings are joined as they are written, lists without reading their rows. So
numbers keep their digits and escapes their spelling. What could be understood in two ways raises Unshowable.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec
from msgspec import Raw

from gateway_edge.caching.forms_events import Unshowable

Members = dict[str, Raw]

NULL = Raw(b"null")
QUOTE, BRACKET = b'"['
SILENT = frozenset({b"null", b'""', b"{}", b"[]"})  # what is written where there is nothing to say

decode_members = msgspec.json.Decoder(Members).decode
decode_entries = msgspec.json.Decoder(list[Members]).decode


class Growth(Protocol):
    """A value that is told in pieces, of which none is null."""

    def add(self, piece: Raw) -> None:
        """Takes the next piece."""

    def whole(self) -> object:
        """What all pieces make up, to be encoded."""


class Once:
    """A value that is said whole, though perhaps again, and perhaps its members one after the other."""

    def __init__(self) -> None:
        self._said = NULL

    def add(self, piece: Raw) -> None:
        """Takes the value, or what it did not say before."""
        if piece == self._said:
            return
        if bytes(self._said) in SILENT:
            self._said = piece
        elif bytes(piece) not in SILENT:
            self._said = _unite(self._said, piece)

    def whole(self) -> Raw:
        """The value."""
        return self._said


class Text:
    """A string that grows at its end."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def add(self, piece: Raw) -> None:
        """Takes what is appended."""
        if not is_text(piece):
            raise Unshowable("a member that is no string")
        self._parts.append(bytes(piece)[1:-1])

    def whole(self) -> Raw:
        """The string."""
        return _text(self._parts)


class Rows:
    """A list that grows at its end."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def add(self, piece: Raw) -> None:
        """Takes the rows that are appended."""
        written = bytes(piece)
        if written[0] != BRACKET:
            raise Unshowable("a member that is no list")
        if rows := written[1:-1].strip():
            self._parts.append(rows)

    def whole(self) -> Raw:
        """The list."""
        return Raw(b"[%b]" % b",".join(self._parts))


class Loose:
    """A value of unknown meaning: strings grow, everything else is said once."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._once = Once()

    def add(self, piece: Raw) -> None:
        """Takes the next piece."""
        written = bytes(piece)
        if written[0] == QUOTE:
            self._parts.append(written[1:-1])
        else:
            self._once.add(piece)

    def whole(self) -> Raw:
        """The value. Raises Unshowable when it was a string, and was none."""
        said = self._once.whole()
        if self._parts and said != NULL:
            raise Unshowable("a member of two types")
        return _text(self._parts) if self._parts else said


class Pieces:
    """An object whose members grow: those that `kinds` names in their own way, the others as `other`."""

    def __init__(self, kinds: Mapping[str, Callable[[], Growth]], other: Callable[[], Growth]) -> None:
        self._kinds = kinds
        self._other = other
        self._grown: dict[str, Growth | None] = {}

    def add(self, piece: Raw) -> None:
        """Takes some of its members, or of what they grow by."""
        self.take(decode_members(piece))

    def take(self, members: Members) -> None:
        """Takes the same, decoded."""
        grown = self._grown
        for name, piece in members.items():
            growth = grown.get(name)
            if piece == NULL:
                grown[name] = growth
                continue
            if growth is None:
                growth = grown[name] = self._kinds.get(name, self._other)()
            growth.add(piece)

    def whole(self) -> dict[str, object]:
        """The object, with null for members that were never more."""
        return {name: growth and growth.whole() for name, growth in self._grown.items()}


class Indexed:
    """A list of objects that grow, each piece of which says by `index` whose it is."""

    def __init__(self, kind: Callable[[], Pieces]) -> None:
        self._kind = kind
        self._grown: dict[bytes, Pieces] = {}

    def add(self, piece: Raw) -> None:
        """Takes pieces of some of the objects."""
        self.take(decode_entries(piece))

    def take(self, entries: list[Members]) -> None:
        """Takes the same, decoded."""
        for entry in entries:
            index = bytes(entry.pop("index", NULL))
            grown = self._grown.get(index)
            if grown is None:
                grown = self._grown[index] = self._kind()
            grown.take(entry)

    def whole(self) -> list[dict[str, object]]:
        """The objects in order, without their index. Raises Unshowable when one is missing."""
        order = [b"%d" % index for index in range(len(self._grown))]
        if self._grown.keys() != set(order):
            raise Unshowable("a list with gaps")
        return [self._grown[index].whole() for index in order]


def _unite(one: Raw, other: Raw) -> Raw:
    """Two objects as one. Raises Unshowable when they contradict each other, or are none."""
    if not (bytes(one).startswith(b"{") and bytes(other).startswith(b"{")):
        raise Unshowable("a member that is said in two ways")
    united = Pieces({}, Once)
    united.add(one)
    united.add(other)
    return Raw(msgspec.json.encode(united.whole()))


def is_text(value: Raw) -> bool:
    """Whether it is a string."""
    return memoryview(value)[0] == QUOTE


def _text(parts: list[bytes]) -> Raw:
    return Raw(b'"%b"' % b"".join(parts))
