"""The texts of a stream of named events (Anthropic's Messages, OpenAI's Responses and transcripts), redacted as their pieces come.

A piece stands in an event that ends with `delta`; which text it continues is said by the event's type and places. What is held back
of a text is sent with its next piece, or in a delta of its own before the event that ends it. All other events hold texts whole.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from chassis.errors import Reason, RunestoneError
from gateway_edge.transform.redaction import Redaction, Redactor
from gateway_edge.transform.stream_redaction import MOST_TEXTS, Piece
from gateway_edge.transform.texts import PROGRAMS, find_texts

Document = dict[str, Any]
Key = tuple[Any, ...]

# Anthropic's: what each kind of delta says, and where.
BLOCK_START, BLOCK_DELTA, BLOCK_STOP = "content_block_start", "content_block_delta", "content_block_stop"
BLOCK_TEXTS = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}
BEGUN_TEXTS = {"text": "text_delta", "thinking": "thinking_delta"}  # a block may begin with some of its text

# OpenAI's: `response.output_text.delta` says a piece in `delta`, `response.output_text.done` ends its text.
DELTA, DONE = ".delta", ".done"
PLACES = ("item_id", "output_index", "content_index", "summary_index")
ITEM_DONE = "response.output_item.done"
SOUNDS = frozenset({"response.audio.delta", "response.output_audio.delta"})  # base64

NUMBER = "sequence_number"
ENDS_ALL = frozenset({
    "message_delta", "message_stop", "response.completed", "response.incomplete", "response.failed", "transcript.text.done",
})  # fmt: skip


class _Text:
    """A text that comes in pieces: its redactor, and the last event that had a piece of it."""

    __slots__ = ("head", "place", "redactor")

    def __init__(self, redaction: Redaction, place: str) -> None:
        self.redactor = Redactor(redaction)
        self.place = place
        self.head: Document = {}

    def finish(self) -> Document:
        """A delta with what was held back."""
        held = self.redactor.finish()
        if self.place == "delta":
            return self.head | {"delta": held}
        return self.head | {"delta": self.head["delta"] | {self.place: held}}


class NamedRedaction:
    """Of one answer; asked as `StreamRedaction` is. Events that are dropped or added shift the numbers of those behind them."""

    def __init__(self, redaction: Redaction, skipped: frozenset[str]) -> None:
        self._redaction = redaction
        self._skipped = skipped
        self._takes_programs = PROGRAMS.isdisjoint(skipped)
        self._texts: dict[Key, _Text] = {}
        self._shift = 0

    def take_word(self, document: Document) -> bool | None:  # noqa: ARG002  a redaction's signature
        """There are no events that need no look."""
        return None

    def find_pieces(self, document: Document) -> list[Piece]:
        """The pieces in an event, or its whole texts. Raises PROVIDER_INVALID_ANSWER for more texts than are kept apart."""
        if document.get("logprobs"):
            document["logprobs"] = []  # they spell the text
        found = _find_piece(document)
        if found is None:
            texts = find_texts(document, self._skipped)
            return [(Redactor(self._redaction), holder, place, True) for holder, place, _ in texts]
        key, holder, place = found
        if not holder.get(place) or self._is_left(document, place):
            return []
        text = self._texts.get(key) or self._begin(key, place)
        text.head = document if holder is not document.get("content_block") else _open_delta(document, place)
        return [(text.redactor, holder, place, False)]

    def settle(self, document: Document, pieces: Sequence[Piece]) -> Sequence[Document]:
        """What is to be sent of an event: nothing when all it said is held back; more where it ends texts."""
        ended = [self._texts.pop(key) for key in list(self._texts) if _ends(document, key)]
        rest = [text.finish() for text in ended if text.redactor.is_holding]
        is_piece = bool(pieces) and not pieces[0][3] and document["type"] != BLOCK_START
        is_held = is_piece and not any(holder[place] for _, holder, place, _ in pieces)
        sent = [*rest, *(() if is_held else (document,))]
        return list(self._number(sent, document))

    def finish(self) -> Document | None:
        """Nothing: every text is ended by an event, and what is left of a stream without them is not whole."""
        return None

    def _number(self, sent: Sequence[Document], document: Document) -> Iterator[Document]:
        """The events with the numbers that they have among those that are sent; the first has that of `document`."""
        number = document.get(NUMBER)
        for place, event in enumerate(sent):
            yield event if type(number) is not int else event | {NUMBER: number + self._shift + place}
        self._shift += len(sent) - 1

    def _is_left(self, document: Document, place: str) -> bool:
        """Whether a piece is no text to be redacted: of a sound, or of what a tool is called with."""
        kind = document["type"]
        is_program = place == "partial_json" or any(word in kind for word in ("arguments", "_call_input", "_call_code"))
        return kind in SOUNDS or (is_program and not self._takes_programs)

    def _begin(self, key: Key, place: str) -> _Text:
        if len(self._texts) >= MOST_TEXTS:
            raise RunestoneError(Reason.PROVIDER_INVALID_ANSWER, "the answer has more texts than can be redacted")
        text = self._texts[key] = _Text(self._redaction, place)
        return text


def _find_piece(document: Document) -> tuple[Key, Document, str] | None:
    """Which text an event continues, and where its piece stands; None where it has texts whole, if any."""
    kind, delta = _word(document, "type"), document.get("delta")
    if kind == BLOCK_DELTA and type(delta) is dict:
        place = BLOCK_TEXTS.get(_word(delta, "type"))
        is_text = place is not None and type(delta.get(place)) is str
        return ((BLOCK_DELTA, _place(document, "index"), place), delta, place) if place and is_text else None
    block = document.get("content_block")
    if kind == BLOCK_START and type(block) is dict and _word(block, "type") in BEGUN_TEXTS:
        place = block["type"]
        is_text = type(block.get(place)) is str
        return ((BLOCK_DELTA, _place(document, "index"), place), block, place) if is_text else None
    if kind.endswith(DELTA) and type(delta) is str:
        return _key_of(kind.removesuffix(DELTA), document), document, "delta"
    return None


def _word(document: Document, name: str) -> str:
    """A member that is text; "" for what a provider should not have sent there."""
    value = document.get(name)
    return value if type(value) is str else ""


def _place(document: Document, name: str) -> int | str | None:
    value = document.get(name)
    return value if type(value) in {int, str} else None


def _key_of(kind: str, document: Document) -> Key:
    return (kind, *(_place(document, place) for place in PLACES))


def _open_delta(document: Document, place: str) -> Document:
    """An event that would continue what `document` begins."""
    return {"type": BLOCK_DELTA, "index": document.get("index"), "delta": {"type": BEGUN_TEXTS[place], place: ""}}


def _ends(document: Document, key: Key) -> bool:
    """Whether an event ends the text of `key`."""
    kind = _word(document, "type")
    if kind == BLOCK_STOP:
        return key[:2] == (BLOCK_DELTA, _place(document, "index"))
    if kind == ITEM_DONE:
        return bool(key[2] == _place(document, "output_index"))
    if kind.endswith(DONE):
        return key == _key_of(kind.removesuffix(DONE), document) or kind in ENDS_ALL
    return kind in ENDS_ALL
