"""The texts of a streamed answer, redacted as their pieces come, each where it stands.

Every choice has several texts (its content, a refusal, the arguments of each tool call), which come in pieces and may take
turns. What is held back of a text is sent with its next piece, or in an event of its own before the one that ends its choice.
"""

from collections.abc import Sequence
from typing import Any

from chassis.errors import Reason, RunestoneError
from gateway_edge.transform.redaction import PIECE, Redaction, Redactor
from gateway_edge.transform.texts import Key, find_texts, nest

MOST_TEXTS = 1024  # of one answer at a time; an answer in more pieces than that is not one

Document = dict[str, Any]


CONTENT: Key = ("delta", "content")
PLAIN = frozenset({"index", "delta", "logprobs", "finish_reason"})  # a choice with nothing else in it

# A piece of a text: what it goes through, the object or list that holds it, its place there, and whether none follows.
Piece = tuple[Redactor, Any, Any, bool]


class StreamRedaction:
    """Of one answer. For every event: `take_word`, and where that takes none, `find_pieces`, each of which the caller puts
    through its redactor, then `settle`."""

    def __init__(self, redaction: Redaction, skipped: frozenset[str]) -> None:
        self._redaction = redaction
        self._skipped = skipped
        self._texts: dict[int, dict[Key, Redactor]] = {}
        self._ending: list[int] = []  # the choices that this event ends
        self._head: Document = {}

    def take_word(self, document: Document) -> bool | None:
        """Changes an event as nearly all are, a few words of one choice and nothing else: whether it is to be sent. None for
        any other, which stays as it is."""
        delta, redactor = self._find_word(document)
        if redactor is None:
            return None
        self._head = document
        delta["content"] = said = redactor.feed(delta["content"])
        return bool(said)

    def find_pieces(self, document: Document) -> list[Piece]:
        """The pieces in an event. Raises PROVIDER_INVALID_ANSWER for more texts than are kept apart."""
        self._head = document
        self._ending.clear()
        pieces: list[Piece] = []
        for choice in _choices(document):
            index, is_last = _index(choice), choice.get("finish_reason") is not None
            texts = self._texts.get(index) or self._texts.setdefault(index, {})
            for holder, place, key in find_texts(choice, self._skipped):
                pieces.append((texts.get(key) or self._begin(texts, key), holder, place, is_last))
            if is_last:
                self._ending.append(index)
            if choice.get("logprobs"):
                choice["logprobs"] = None  # they spell the text
        return pieces

    def settle(self, document: Document, pieces: Sequence[Piece]) -> Sequence[Document]:
        """What is to be sent of an event: nothing when all it said is held back; two events where a choice ends."""
        rest = {index: ended for index in self._ending if (ended := _finish(self._texts[index]))}
        if rest:
            return (self._event(rest), document)
        is_held = pieces and not any(holder[place] for _, holder, place, _ in pieces)
        return () if is_held and not _says_something(document) else (document,)

    def finish(self) -> Document | None:
        """An event with all that is still held back; None when nothing is."""
        rest = {index: ended for index, texts in self._texts.items() if (ended := _finish(texts))}
        return self._event(rest) if rest else None

    def _find_word(self, document: Document) -> tuple[Document, Redactor | None]:
        choices = document.get("choices")
        if type(choices) is not list or len(choices) != 1 or type(choices[0]) is not dict or document.get("usage"):
            return document, None
        choice = choices[0]
        delta, texts = choice.get("delta"), self._texts.get(_index(choice))
        if not texts or type(delta) is not dict or len(delta) != 1 or not choice.keys() <= PLAIN:
            return document, None
        text, is_plain = delta.get("content"), choice.get("finish_reason") is None and not choice.get("logprobs")
        is_word = is_plain and type(text) is str and 0 < len(text) <= PIECE
        return delta, texts.get(CONTENT) if is_word else None

    def _begin(self, texts: dict[Key, Redactor], key: Key) -> Redactor:
        if sum(map(len, self._texts.values())) >= MOST_TEXTS:
            raise RunestoneError(Reason.PROVIDER_INVALID_ANSWER, "the answer has more texts than can be redacted")
        redactor = texts[key] = Redactor(self._redaction)
        return redactor

    def _event(self, rest: dict[int, dict[Key, str]]) -> Document:
        """An event like the last one that says nothing but `rest`."""
        head = {name: None if name == "usage" else value for name, value in self._head.items() if name != "choices"}
        choices = [{"index": index, **nest(texts), "finish_reason": None} for index, texts in rest.items()]
        return head | {"choices": choices}


def _finish(texts: dict[Key, Redactor]) -> dict[Key, str]:
    return {key: redactor.finish() for key, redactor in texts.items() if redactor.is_holding}


def _choices(document: Document) -> list[Document]:
    choices = document.get("choices")
    return [choice for choice in choices if type(choice) is dict] if choices and type(choices) is list else []


def _index(choice: Document) -> int:
    index = choice.get("index")
    return index if type(index) is int else 0


def _says_something(document: Document) -> bool:
    """Whether anything is left in an event of which texts were held back."""
    return bool(document.get("usage")) or any(_has_more(choice) for choice in _choices(document))


def _has_more(choice: Document) -> bool:
    delta = choice.get("delta")
    return type(delta) is not dict or any(delta.values()) or choice.get("finish_reason") is not None
