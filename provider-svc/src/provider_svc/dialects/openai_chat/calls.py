"""The tool calls of one answer, whose pieces may come mixed, as calls that follow each other."""

from dataclasses import dataclass, field
from typing import Any

import msgspec

from provider_svc.dialects.openai_chat.chunk_schema import CallDelta, Custom, Function, invalid
from provider_svc.dialects.steps import Close, Grow, OpenCall, Step
from provider_svc.documents import UNREADABLE

_CLOSE = Close()
_decode_arguments = msgspec.json.Decoder(dict[str, Any]).decode


@dataclass(slots=True)
class _Call:
    id: str
    name: str = ""
    is_custom: bool = False
    pieces: list[str] = field(default_factory=list)
    is_open: bool = False
    is_closed: bool = False
    checked: int = 0  # pieces that were known not to be all

    def is_whole(self) -> bool:
        """Whether nothing more can come: a function's arguments are one JSON object. What a custom tool takes has no end of its own."""
        if self.is_custom or self.checked == len(self.pieces) or not self.pieces[-1].rstrip().endswith("}"):
            return False
        self.checked = len(self.pieces)
        try:
            _decode_arguments("".join(self.pieces))
        except UNREADABLE:
            return False
        return True


class Calls:
    """The first call that is not whole streams as it comes; those behind it wait. Steps are added to the lists that are handed in."""

    def __init__(self) -> None:
        self.count = 0
        self._calls: dict[int, _Call] = {}  # by the provider's index; the latest of each
        self._waiting: list[_Call] = []  # the first is open, or about to be
        self._last: _Call | None = None

    def add(self, delta: CallDelta, answer_id: str, steps: list[Step]) -> None:
        """Takes a piece of a call. Raises PROVIDER_INVALID_ANSWER for more of a call that was whole."""
        name, piece, is_custom = _read(delta)
        call = self._last = self._find(delta, name, answer_id)
        if call.is_closed:
            if piece.strip():
                raise invalid("went on with a tool call that was whole")
            return
        call.name, call.is_custom = call.name or name, call.is_custom or is_custom
        if piece:
            call.pieces.append(piece)
        if call is self._waiting[0]:
            _stream(call, piece, steps)
        self._close_whole(steps)

    def flush(self, steps: list[Step]) -> None:
        """All calls are whole. Raises PROVIDER_INVALID_ANSWER where one has no name."""
        for call in self._waiting:
            _close(call, steps)
        self._waiting.clear()

    def _find(self, delta: CallDelta, name: str, answer_id: str) -> _Call:
        """The call that a piece is of. Some imitators give no index, and some the same one to all calls, whose ids differ then."""
        known = self._last if delta.index is None else self._calls.get(delta.index)
        is_new = known is None or (name and _is_other(delta, known.id))
        if known is not None and not is_new:
            return known
        call = _Call(delta.id or f"call_{answer_id}_{self.count}")
        self._calls[self.count if delta.index is None else delta.index] = call
        self._waiting.append(call)
        self.count += 1
        return call

    def _close_whole(self, steps: list[Step]) -> None:
        while len(self._waiting) > 1 and self._waiting[0].is_whole():
            _close(self._waiting.pop(0), steps)
            head = self._waiting[0]
            _stream(head, "", steps)


def _is_other(delta: CallDelta, known_id: str) -> bool:
    """Whether a piece with a name is of another call than the one that has its index, or that was last where it has none."""
    return delta.id != known_id if delta.id else delta.index is None


def _read(delta: CallDelta) -> tuple[str, str, bool]:
    """The name, where it stands in this piece, what was added to what the tool is given, and whether it is a custom one."""
    match delta:
        case CallDelta(custom=Custom(name=name, input=given)):
            return name or "", given or "", True
        case CallDelta(function=Function(name=name) as function):
            return name or "", function.text, False
    return "", "", False


def _stream(call: _Call, piece: str, steps: list[Step]) -> None:
    """Opens the call as soon as it has a name, with all that came before, and lets it grow after that."""
    if call.is_open:
        if piece:
            steps.append(Grow(piece))
    elif call.name:
        call.is_open = True
        steps.append(OpenCall(call.id, call.name, call.is_custom))
        if call.pieces:
            steps.append(Grow("".join(call.pieces)))


def _close(call: _Call, steps: list[Step]) -> None:
    if not call.name:
        raise invalid("called a tool without saying which")
    _stream(call, "", steps)
    call.is_closed = True
    steps.append(_CLOSE)
