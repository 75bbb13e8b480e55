"""The items of an answer on their way: what each of their events makes as steps."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

import msgspec

from provider_svc.dialects.openai_responses.answer_schema import CallItem, DrawnToken, MessageItem, Piece, ReasoningItem
from provider_svc.dialects.openai_responses.logprobs import read_logprobs
from provider_svc.dialects.seals import unwrap
from provider_svc.dialects.steps import Cite, Close, Grow, OpenCall, OpenText, OpenThinking, Step

TEXTS: Mapping[str, bool] = {"output_text": False, "refusal": True}  # and whether it is a refusal


class OpenMessage:
    """A message: parts that follow each other."""

    decoder: ClassVar["msgspec.json.Decoder[Any]"] = msgspec.json.Decoder(MessageItem)

    def __init__(self, index: int) -> None:
        self.index = index
        self._place: int | None = None
        self._next_place = 0  # parts before it are over
        self._is_said = False

    def begin(self, _: MessageItem) -> Iterable[Step]:
        """Its parts begin by themselves."""
        return ()

    def begin_part(self, piece: Piece) -> Iterable[Step]:
        """A part begins."""
        if piece.part is not None and piece.part.type in TEXTS:
            yield from self._turn_to(piece.content_index, TEXTS[piece.part.type])

    def grow(self, piece: Piece) -> Iterable[Step]:
        """More of a text."""
        yield from self._say(piece.content_index, piece.delta, piece.logprobs)

    def grow_refusal(self, piece: Piece) -> Iterable[Step]:
        """More of a refusal."""
        yield from self._say(piece.content_index, piece.delta, is_refusal=True)

    def end_text(self, piece: Piece) -> Iterable[Step]:
        """All of a text: said now where it did not come in pieces."""
        if not self._has_said(piece.content_index):
            yield from self._say(piece.content_index, piece.text, piece.logprobs)

    def end_refusal(self, piece: Piece) -> Iterable[Step]:
        """All of a refusal, likewise."""
        if not self._has_said(piece.content_index):
            yield from self._say(piece.content_index, piece.refusal, is_refusal=True)

    def cite(self, piece: Piece) -> Iterable[Step]:
        """A source of the open text, where it stands in the web."""
        source = piece.annotation
        if self._place is not None and source is not None and source.type == "url_citation" and source.url:
            yield Cite(source.url, source.title or "")

    def end_part(self, piece: Piece) -> Iterable[Step]:
        """A part is whole."""
        if self._place == piece.content_index:
            yield from self._close()

    def finish(self, item: MessageItem | None) -> Iterable[Step]:
        """The message is whole; what of it never came in events stands in the item."""
        if item is not None and self._place is None and self._next_place == 0:
            for place, part in enumerate(item.content):
                if part.type in TEXTS:
                    yield from self._say(place, part.text or part.refusal, is_refusal=TEXTS[part.type])
        yield from self._close()

    def _say(
        self, place: int, text: str, logprobs: list[DrawnToken] | None = None, *, is_refusal: bool = False
    ) -> Iterable[Step]:
        yield from self._turn_to(place, is_refusal)
        if text and self._place == place:
            self._is_said = True
            yield Grow(text, read_logprobs(logprobs) if logprobs else None)

    def _has_said(self, place: int) -> bool:
        return place < self._next_place or (self._place == place and self._is_said)

    def _turn_to(self, place: int, is_refusal: bool) -> Iterable[Step]:
        if place == self._place or place < self._next_place:
            return
        yield from self._close()
        self._place, self._is_said = place, False
        yield OpenText(is_refusal)

    def _close(self) -> Iterable[Step]:
        if self._place is not None:
            self._next_place, self._place = self._place + 1, None
            yield Close()


class OpenThoughts:
    """Reasoning: summaries and thoughts, put together; without either it is only a seal, and known as such at its end."""

    decoder: ClassVar["msgspec.json.Decoder[Any]"] = msgspec.json.Decoder(ReasoningItem)

    def __init__(self, index: int) -> None:
        self.index = index
        self._id = ""
        self._place: tuple[str, int] | None = None

    def begin(self, item: ReasoningItem) -> Iterable[Step]:
        """Nothing is told yet."""
        self._id = item.id
        return ()

    def grow_summary(self, piece: Piece) -> Iterable[Step]:
        """More of a summary."""
        return self._say(("summary", piece.summary_index), piece.delta)

    def grow(self, piece: Piece) -> Iterable[Step]:
        """More of a thought."""
        return self._say(("thought", piece.content_index), piece.delta)

    def end_summary(self, piece: Piece) -> Iterable[Step]:
        """All of a summary: told now where it did not come in pieces."""
        place = ("summary", piece.summary_index)
        return () if self._place == place else self._say(place, piece.text)

    def end_thought(self, piece: Piece) -> Iterable[Step]:
        """All of a thought, likewise."""
        place = ("thought", piece.content_index)
        return () if self._place == place else self._say(place, piece.text)

    def finish(self, item: ReasoningItem | None) -> Iterable[Step]:
        """The seal comes with the whole item; so does what never came in events."""
        told = None if item is None or self._place is not None else (item.content or item.summary)
        sealed = item.encrypted_content if item is not None else None
        if told:
            yield OpenThinking(self._id)
            if text := "\n\n".join(thought.text for thought in told):
                yield Grow(text)
        elif self._place is None:
            if not sealed:
                return
            yield OpenThinking(self._id, is_redacted=True)
        yield Close(*unwrap(sealed, "openai")) if sealed else Close()

    def _say(self, place: tuple[str, int], text: str) -> Iterable[Step]:
        if not text:
            return
        if self._place is None:
            yield OpenThinking(self._id)
        elif self._place != place:
            yield Grow("\n\n")
        self._place = place
        yield Grow(text)


class OpenFunctionCall:
    """A call of a function."""

    decoder: ClassVar["msgspec.json.Decoder[Any]"] = msgspec.json.Decoder(CallItem)
    is_custom: ClassVar[bool] = False
    nothing: ClassVar[str] = "{}"  # what is said where the model gave nothing

    def __init__(self, index: int) -> None:
        self.index = index
        self._is_said = False

    def begin(self, item: CallItem) -> Iterable[Step]:
        """The call begins; what it is given comes."""
        yield OpenCall(item.call_id or item.id or "", item.name, self.is_custom)

    def grow(self, piece: Piece) -> Iterable[Step]:
        """More of what it is given."""
        return self._say(piece.delta)

    def end(self, piece: Piece) -> Iterable[Step]:
        """All of it: said now where it did not come in pieces."""
        return () if self._is_said else self._say(piece.arguments or piece.input)

    def finish(self, item: CallItem | None) -> Iterable[Step]:
        """The call is whole."""
        if not self._is_said:
            given = "" if item is None else item.arguments or item.input
            yield from self._say(given or self.nothing)
        yield Close()

    def _say(self, text: str) -> Iterable[Step]:
        if text:
            self._is_said = True
            yield Grow(text)


class OpenCustomCall(OpenFunctionCall):
    """A call of a custom tool."""

    is_custom = True
    nothing = ""


OpenItem = OpenMessage | OpenThoughts | OpenFunctionCall

# Items of other kinds are what OpenAI's own tools did: passed over.
ITEMS: Mapping[str, type[OpenItem]] = {
    "message": OpenMessage,
    "reasoning": OpenThoughts,
    "function_call": OpenFunctionCall,
    "custom_tool_call": OpenCustomCall,
}

# What an event inside an item is to items of a kind.
PIECES: Mapping[str, tuple[type[OpenItem], Callable[[Any, Piece], Iterable[Step]]]] = {
    "response.content_part.added": (OpenMessage, OpenMessage.begin_part),
    "response.output_text.delta": (OpenMessage, OpenMessage.grow),
    "response.output_text.done": (OpenMessage, OpenMessage.end_text),
    "response.output_text.annotation.added": (OpenMessage, OpenMessage.cite),
    "response.refusal.delta": (OpenMessage, OpenMessage.grow_refusal),
    "response.refusal.done": (OpenMessage, OpenMessage.end_refusal),
    "response.content_part.done": (OpenMessage, OpenMessage.end_part),
    "response.reasoning_summary_text.delta": (OpenThoughts, OpenThoughts.grow_summary),
    "response.reasoning_summary_text.done": (OpenThoughts, OpenThoughts.end_summary),
    "response.reasoning_text.delta": (OpenThoughts, OpenThoughts.grow),
    "response.reasoning_text.done": (OpenThoughts, OpenThoughts.end_thought),
    "response.function_call_arguments.delta": (OpenFunctionCall, OpenFunctionCall.grow),
    "response.function_call_arguments.done": (OpenFunctionCall, OpenFunctionCall.end),
    "response.custom_tool_call_input.delta": (OpenFunctionCall, OpenFunctionCall.grow),
    "response.custom_tool_call_input.done": (OpenFunctionCall, OpenFunctionCall.end),
}
