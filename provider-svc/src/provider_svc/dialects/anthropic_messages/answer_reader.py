"""Anthropic's event stream as steps: one state machine, one event in, any number of steps out.

Events and blocks of unknown types are passed over, as Anthropic's versioning policy asks; so are the blocks of server tools.
"""

from collections.abc import Callable, Iterable, Mapping

import msgspec

from provider_svc.dialects.anthropic_messages.event_schema import (
    Block,
    Delta,
    Event,
    invalid,
    read_event,
    read_failure,
)
from provider_svc.dialects.anthropic_messages.stop_reasons import read_reason
from provider_svc.dialects.anthropic_messages.usage import Tally, TokenCounts
from provider_svc.dialects.seals import unwrap
from provider_svc.dialects.steps import (
    Cite,
    Close,
    Count,
    End,
    Grow,
    OpenCall,
    OpenText,
    OpenThinking,
    Start,
    Step,
    Stop,
)

# Where the words of each kind of delta stand, by the type of the block that it belongs to.
_TEXTS: Mapping[str, tuple[str, str]] = {
    "text": ("text_delta", "text"),
    "thinking": ("thinking_delta", "thinking"),
    "tool_use": ("input_json_delta", "partial_json"),
}


class Reader:
    """See `AnswerReader`."""

    def __init__(self) -> None:
        self._tally = Tally()
        self._has_begun = False
        self._has_stopped = False
        self._index = -1  # of the open block; -1 where there is none
        self._block: Block | None = None
        self._has_grown = False
        self._signature = ""

    def read(self, data: bytes) -> Iterable[Step]:
        """See `AnswerReader.read`. Raises also where the answer's events come in another order than Anthropic's do."""
        event = read_event(data)
        if event.type == "error":
            raise read_failure(data)
        step = _EVENTS.get(event.type)
        if step is None or not isinstance(event, Event):
            return ()
        if not self._has_begun and event.type != "message_start":
            raise invalid("sent an event before message_start")
        return step(self, event)

    def _start(self, event: Event) -> Iterable[Step]:
        if self._has_begun or event.message is None:
            raise invalid("began its answer twice, or with no message")
        self._has_begun = True
        yield Start(event.message.id, event.message.model)
        yield from self._count(event.message.usage)

    def _start_block(self, event: Event) -> Iterable[Step]:
        block = event.content_block
        if block is None or self._index >= 0 or event.index < 0:
            raise invalid("began a block that is none, or inside of another")
        self._index, self._block = event.index, block
        self._has_grown, self._signature = False, block.signature or ""
        match block.type:
            case "text":
                yield OpenText()
                yield from self._grow(block.text)
            case "thinking":
                yield OpenThinking()
                yield from self._grow(block.thinking)
            case "redacted_thinking":
                self._signature = block.data or ""
                yield OpenThinking(is_redacted=True)
            case "tool_use":
                yield OpenCall(block.id, block.name)

    def _grow_block(self, event: Event) -> Iterable[Step]:
        delta, block = event.delta, self._block
        if delta is None or block is None or event.index != self._index:
            raise invalid("sent a piece of a block that is not open")
        kind, member = _TEXTS.get(block.type, ("", ""))
        if kind == delta.type:
            return self._grow(getattr(delta, member))
        return self._adorn(block, delta)

    def _grow(self, text: str | None) -> Iterable[Step]:
        if not text:
            return ()
        self._has_grown = True
        return (Grow(text),)

    def _adorn(self, block: Block, delta: Delta) -> Iterable[Step]:
        if block.type == "thinking" and delta.type == "signature_delta":
            self._signature = delta.signature or ""
        elif block.type == "text" and delta.citation is not None and delta.citation.url:
            return (Cite(delta.citation.url, delta.citation.title or ""),)
        return ()

    def _stop_block(self, event: Event) -> Iterable[Step]:
        """A call without arguments has no fragments at Anthropic, but is `{}` everywhere."""
        block = self._block
        if block is None or event.index != self._index:
            raise invalid("ended a block that is not open")
        self._index, self._block = -1, None
        match block.type:
            case "text":
                yield Close()
            case "tool_use":
                if not self._has_grown:
                    yield Grow(msgspec.json.encode(block.input).decode())
                yield Close()
            case "thinking" | "redacted_thinking":
                yield Close(*unwrap(self._signature, "anthropic")) if self._signature else Close()

    def _change(self, event: Event) -> Iterable[Step]:
        yield from self._count(event.usage)
        delta = event.delta
        if delta is not None and delta.stop_reason is not None:
            self._has_stopped = True
            reason = read_reason(delta.stop_reason)
            words = delta.stop_details.explanation if reason == "filter" and delta.stop_details is not None else None
            yield Stop(reason, delta.stop_sequence, words)

    def _stop(self, _event: Event) -> Iterable[Step]:
        if self._block is not None or not self._has_stopped:
            raise invalid("ended its answer in the middle of a block or without saying why it stopped")
        yield End()

    def _count(self, counts: TokenCounts | None) -> Iterable[Step]:
        usage = None if counts is None else self._tally.note(counts)
        return () if usage is None else (Count(usage),)


_EVENTS: Mapping[str, Callable[[Reader, Event], Iterable[Step]]] = {
    "message_start": Reader._start,  # noqa: SLF001  the machine's own steps
    "content_block_start": Reader._start_block,  # noqa: SLF001
    "content_block_delta": Reader._grow_block,  # noqa: SLF001
    "content_block_stop": Reader._stop_block,  # noqa: SLF001
    "message_delta": Reader._change,  # noqa: SLF001
    "message_stop": Reader._stop,  # noqa: SLF001
}
