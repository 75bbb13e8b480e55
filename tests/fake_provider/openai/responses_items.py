"""The items of a response, whole and as they grow."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fake_provider import seals
from fake_provider.answer import Call, Part, Speech, Thought
from fake_provider.exchange import Exchange
from fake_provider.openai import logprobs
from fake_provider.openai.responses_check import MAKER

SOURCE = {"type": "url_citation", "url": "https://example.com/rain", "title": "Rain", "start_index": 0, "end_index": 4}
Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Item:
    """The `index`-th item of the output; `is_whole` is False where the response broke off in it."""

    exchange: Exchange
    index: int
    part: Part
    is_whole: bool = True

    @property
    def id(self) -> str:
        return f"{self._prefix}_fake{self.exchange.number}x{self.index}"

    @property
    def _prefix(self) -> str:
        if isinstance(self.part, Call):
            return "ctc" if self.part.is_custom else "fc"
        return "rs" if isinstance(self.part, Thought) else "msg"

    @property
    def _status(self) -> str:
        return "completed" if self.is_whole else "incomplete"

    @property
    def tells_summary(self) -> bool:
        asked = (self.exchange.document.get("reasoning") or {}).get("summary")
        return bool(asked) and not self.exchange.wishes.reasoning_text and not self._is_redacted

    @property
    def _is_redacted(self) -> bool:
        return isinstance(self.part, Thought) and self.part.is_redacted

    def whole(self) -> dict[str, Any]:
        """As it stands in the output."""
        match self.part:
            case Call():
                return self._call(self.part.text, self._status)
            case Thought():
                return self._thought()
            case Speech():
                message = {"id": self.id, "type": "message", "status": self._status, "role": "assistant"}
                return {**message, "content": [self._content()]}

    def _call(self, text: str, status: str) -> dict[str, Any]:
        assert isinstance(self.part, Call)
        kind, member = ("custom_tool_call", "input") if self.part.is_custom else ("function_call", "arguments")
        item = {"id": self.id, "type": kind, "call_id": self.part.id, "name": self.part.name, member: text}
        return item if self.part.is_custom else {**item, "status": status}

    def _thought(self) -> dict[str, Any]:
        asked = self.exchange.document
        item: dict[str, Any] = {"id": self.id, "type": "reasoning", "summary": []}
        if self.tells_summary:
            item["summary"] = [{"type": "summary_text", "text": self.part.text}]
        if self.exchange.wishes.reasoning_text:
            item["content"] = [{"type": "reasoning_text", "text": self.part.text}]
        if "reasoning.encrypted_content" in (asked.get("include") or ()):
            item["encrypted_content"] = seals.encrypt(MAKER, f"{self.id} {self.part.text}")
        return item

    def _content(self) -> dict[str, Any]:
        assert isinstance(self.part, Speech)
        if self.part.is_refusal:
            return {"type": "refusal", "refusal": self.part.text}
        annotations = [SOURCE] if self.exchange.wishes.cite else []
        odds = [logprobs.of_piece(piece, self._top) for piece in self.part.pieces] if self._wants_logprobs else []
        return {"type": "output_text", "text": self.part.text, "annotations": annotations, "logprobs": odds}

    @property
    def _wants_logprobs(self) -> bool:
        return "message.output_text.logprobs" in (self.exchange.document.get("include") or ())

    @property
    def _top(self) -> int:
        return int(self.exchange.document.get("top_logprobs") or 0)

    def events(self) -> Iterator[Event]:
        """From `added` to `done`, without sequence numbers."""
        at = {"output_index": self.index}
        yield {"type": "response.output_item.added", **at, "item": self._begun()}
        for event in self._growth():
            yield {**event, "item_id": self.id, **at}
        yield {"type": "response.output_item.done", **at, "item": self.whole()}

    def _begun(self) -> dict[str, Any]:
        match self.part:
            case Call():
                return self._call("", "in_progress")
            case Thought():
                return {"id": self.id, "type": "reasoning", "summary": []}
            case Speech():
                return {**self.whole(), "status": "in_progress", "content": []}

    def _growth(self) -> Iterator[Event]:
        match self.part:
            case Call():
                yield from self._call_growth()
            case Thought() if self.exchange.wishes.reasoning_text:
                yield from self._part_growth(
                    "response.reasoning_text", {"type": "reasoning_text", "text": self.part.text}
                )
            case Thought() if self.tells_summary:
                yield from self._summary_growth()
            case Speech(is_refusal=True):
                yield from self._part_growth("response.refusal", self._content())
            case Speech():
                yield from self._part_growth("response.output_text", self._content())

    def _call_growth(self) -> Iterator[Event]:
        assert isinstance(self.part, Call)
        custom = self.part.is_custom
        name = "response.custom_tool_call_input" if custom else "response.function_call_arguments"
        for piece in self.part.pieces:
            yield {"type": f"{name}.delta", "delta": piece}
        yield {"type": f"{name}.done", "input" if custom else "arguments": self.part.text}

    def _summary_growth(self) -> Iterator[Event]:
        at = {"summary_index": 0}
        whole = {"type": "summary_text", "text": self.part.text}
        yield {"type": "response.reasoning_summary_part.added", **at, "part": {**whole, "text": ""}}
        for piece in self.part.pieces:
            yield {"type": "response.reasoning_summary_text.delta", **at, "delta": piece}
        yield {"type": "response.reasoning_summary_text.done", **at, "text": self.part.text}
        yield {"type": "response.reasoning_summary_part.done", **at, "part": whole}

    def _part_growth(self, name: str, whole: dict[str, Any]) -> Iterator[Event]:
        """A part of the item's content: text, a refusal, or reasoning that is told."""
        at, is_text = {"content_index": 0}, name == "response.output_text"
        member = "refusal" if name == "response.refusal" else "text"
        empty = {**whole, member: "", **({"annotations": [], "logprobs": []} if is_text else {})}
        yield {"type": "response.content_part.added", **at, "part": empty}
        for piece in self.part.pieces:
            odds = {"logprobs": self._event_logprobs([piece])} if is_text else {}
            yield {"type": f"{name}.delta", **at, "delta": piece, **odds}
        for number, source in enumerate(whole.get("annotations", ())):
            added = {"annotation_index": number, "annotation": source}
            yield {"type": "response.output_text.annotation.added", **at, **added}
        odds = {"logprobs": self._event_logprobs(self.part.pieces)} if is_text else {}
        yield {"type": f"{name}.done", **at, member: self.part.text, **odds}
        yield {"type": "response.content_part.done", **at, "part": whole}

    def _event_logprobs(self, pieces: list[str]) -> list[Any]:
        """Those of events are without bytes."""
        if not self._wants_logprobs:
            return []
        whole: list[Any] = [logprobs.of_piece(piece, self._top) for piece in pieces]
        return [{**_bare(odds), "top_logprobs": [_bare(other) for other in odds["top_logprobs"]]} for odds in whole]


def _bare(odds: dict[str, Any]) -> dict[str, Any]:
    return {name: odds[name] for name in ("token", "logprob")}
