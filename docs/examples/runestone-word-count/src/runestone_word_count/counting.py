"""Counts the words of answers while they pass."""

from collections.abc import Iterator
from typing import Any

from msgspec import json

from gateway_edge.plugin import Call, Proceed, change_answer

DONE = b"data: [DONE]\n\n"


class WordCount:
    """An answer says how many words it has: in the header `x-word-count`, or, as the headers of a stream are long gone
    by then, in a comment before its `[DONE]`, which clients pass over."""

    on_error = "skip"

    async def __call__(self, call: Call, proceed: Proceed) -> None:
        words = Words()

        def count(data: bytes) -> bytes:
            for text in find_texts(data):
                words.add(text)
            call.reply.headers["x-word-count"] = str(words.count)
            return data.replace(DONE, b": %d words\n\n" % words.count + DONE)

        change_answer(call, count)
        await proceed(call)


class Words:
    """Counts the words of a text that comes in pieces, cut anywhere."""

    def __init__(self) -> None:
        self.count = 0
        self._is_inside = False

    def add(self, piece: str) -> None:
        if piece:
            self.count += len(piece.split()) - (self._is_inside and not piece[0].isspace())
            self._is_inside = not piece[-1].isspace()


def find_texts(data: bytes) -> Iterator[str]:
    """The texts of a whole document, or of the events in `data`."""
    documents = [line[len(b"data: ") :] for line in data.splitlines() if line.startswith(b"data: {")] or [data]
    for document in documents:
        if document.startswith(b"{"):
            yield from _read_texts(json.decode(document))


def _read_texts(document: dict[str, Any]) -> Iterator[str]:
    for choice in document.get("choices", ()):
        yield (choice.get("message") or choice.get("delta") or {}).get("content") or ""
