"""Questions in each dialect, and what an answer says: without an SDK, so that many can be asked by one process."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Dialect:
    """Where it is asked and how, how the text is read from a document and from an event, and what a whole stream ends with."""

    path: str
    ask: Callable[[str], Document]
    read: Callable[[Document], str]
    read_event: Callable[[Document], str]
    end: bytes

    def read_stream(self, body: bytes) -> str | None:
        """The text of a stream; None when it is not whole."""
        if self.end not in body or b"event: error" in body or b'data: {"error"' in body:
            return None
        return "".join(map(self.read_event, _list_events(body)))

    def read_document(self, body: bytes) -> str:
        """The text of a document."""
        return self.read(json.loads(body))


def _list_events(body: bytes) -> Iterable[Document]:
    for line in body.splitlines():
        if line.startswith(b"data: {"):
            yield json.loads(line[6:])


def _read_delta(event: Document) -> str:
    return "".join(choice["delta"].get("content") or "" for choice in event["choices"])


def _turns(words: str) -> list[Document]:
    return [{"role": "user", "content": words}]


DIALECTS: dict[str, Dialect] = {
    "chat": Dialect(
        path="/v1/chat/completions",
        ask=lambda words: {"messages": _turns(words)},
        read=lambda answer: answer["choices"][0]["message"]["content"],
        read_event=_read_delta,
        end=b"data: [DONE]",
    ),
    "responses": Dialect(
        path="/v1/responses",
        ask=lambda words: {"input": words, "store": False},
        read=lambda answer: "".join(part["text"] for item in answer["output"] for part in item.get("content", ())),
        read_event=lambda event: event["delta"] if event["type"] == "response.output_text.delta" else "",
        end=b'"response.completed"',
    ),
    "messages": Dialect(
        path="/v1/messages",
        ask=lambda words: {"messages": _turns(words), "max_tokens": 1_000},
        read=lambda answer: "".join(block["text"] for block in answer["content"]),
        read_event=lambda event: event["delta"].get("text", "") if event["type"] == "content_block_delta" else "",
        end=b'"message_stop"',
    ),
}
