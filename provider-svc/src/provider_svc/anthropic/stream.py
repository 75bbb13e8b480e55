"""Anthropic's event stream as OpenAI's chat chunks: one state machine, one event in, any number of events out.

Events: https://docs.claude.com/en/docs/build-with-claude/streaming. Every data JSON repeats its event's name as `type`,
which alone is read. Events and blocks of unknown types are passed over, as Anthropic's versioning policy asks.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from provider_svc.anthropic.answer import failure, finish_reason, invalid, read, refusal_text
from provider_svc.anthropic.chunks import DONE, ChunkWriter
from provider_svc.anthropic.content import Json
from provider_svc.anthropic.schema import BlockDelta, BlockStart, BlockStop, Delta, MessageDelta, MessageStart, Named
from provider_svc.anthropic.usage import count
from provider_svc.provider import Meter


@dataclass(slots=True)
class _OpenCall:
    """A tool call whose input is on its way. `number` counts the message's calls, not its blocks."""

    number: int
    input: Json
    is_begun: bool = False


class ChatStream:
    """One answer's translation. `created` is in seconds since the epoch; `meter` is filled as events pass."""

    def __init__(self, *, created: int, include_usage: bool, meter: Meter) -> None:
        self._created = created
        self._include_usage = include_usage
        self._meter = meter
        self._writer: ChunkWriter | None = None
        self._open_calls: dict[int, _OpenCall] = {}
        self._count_calls = 0
        self._is_done = False

    @property
    def is_done(self) -> bool:
        """Whether the answer's end was said; whatever comes after it is ignored."""
        return self._is_done

    def translate(self, data: bytes) -> list[bytes]:
        """The client's events, whole with their blank lines, that one upstream event's `data` makes.

        Raises PROVIDER_INVALID_ANSWER, or what an error event says. The machine is of no use after that.
        """
        kind = "" if self._is_done else read(data, _NAMED).type
        if kind == "error":
            raise failure(data)
        known = _EVENTS.get(kind)
        if known is None:
            return []
        decoder, step = known
        return list(step(self, read(data, decoder)))

    @property
    def _chunks(self) -> ChunkWriter:
        if self._writer is None:
            raise invalid("sent an event before message_start")
        return self._writer

    def _start(self, event: MessageStart) -> Iterable[bytes]:
        if self._writer is not None:
            raise invalid("began its answer twice")
        message = event.message
        self._meter.usage = count(self._meter.usage, message.usage)
        self._writer = ChunkWriter(message.id, message.model, self._created, include_usage=self._include_usage)
        yield self._writer.delta({"role": "assistant", "content": ""})

    def _start_block(self, event: BlockStart) -> Iterable[bytes]:
        block = event.content_block
        if block.type == "tool_use":
            call = self._open_calls[event.index] = _OpenCall(self._count_calls, block.input)
            self._count_calls += 1
            yield self._chunks.call(call.number, {"name": block.name, "arguments": ""}, call_id=block.id)
        yield from self._piece(Delta(f"{block.type}_delta", text=block.text, thinking=block.thinking))

    def _delta_block(self, event: BlockDelta) -> Iterable[bytes]:
        call = self._open_calls.get(event.index)
        if call is None:
            yield from self._piece(event.delta)
        elif event.delta.partial_json:
            call.is_begun = True
            yield self._chunks.call(call.number, {"arguments": event.delta.partial_json})

    def _piece(self, delta: Delta) -> Iterable[bytes]:
        if delta.type == "text_delta" and delta.text:
            yield self._chunks.delta({"content": delta.text})
        elif delta.type == "thinking_delta" and delta.thinking:
            yield self._chunks.delta({"reasoning_content": delta.thinking})

    def _stop_block(self, event: BlockStop) -> Iterable[bytes]:
        """A call without arguments has no fragments at Anthropic, but is `{}` at OpenAI."""
        call = self._open_calls.pop(event.index, None)
        if call is not None and not call.is_begun:
            yield self._chunks.call(call.number, {"arguments": msgspec.json.encode(call.input).decode()})

    def _delta(self, event: MessageDelta) -> Iterable[bytes]:
        self._meter.usage = count(self._meter.usage, event.usage)
        reason = event.delta.stop_reason
        if refused := refusal_text(reason, event.delta.stop_details):
            yield self._chunks.delta({"refusal": refused})
        if reason is not None:
            self._meter.finish_reason = finish_reason(reason)
            yield self._chunks.delta({}, self._meter.finish_reason)

    def _stop(self, _: Named) -> Iterable[bytes]:
        if self._open_calls or not self._meter.finish_reason:
            raise invalid("ended its answer in the middle of a tool call or without saying why it stopped")
        self._is_done = True
        if self._include_usage and self._meter.usage is not None:
            yield self._chunks.usage(self._meter.usage)
        yield DONE


_NAMED = msgspec.json.Decoder(Named)

_EVENTS: Mapping[str, tuple["msgspec.json.Decoder[Any]", Callable[[ChatStream, Any], Iterable[bytes]]]] = {
    "message_start": (msgspec.json.Decoder(MessageStart), ChatStream._start),  # noqa: SLF001  the machine's own steps
    "content_block_start": (msgspec.json.Decoder(BlockStart), ChatStream._start_block),  # noqa: SLF001
    "content_block_delta": (msgspec.json.Decoder(BlockDelta), ChatStream._delta_block),  # noqa: SLF001
    "content_block_stop": (msgspec.json.Decoder(BlockStop), ChatStream._stop_block),  # noqa: SLF001
    "message_delta": (msgspec.json.Decoder(MessageDelta), ChatStream._delta),  # noqa: SLF001
    "message_stop": (_NAMED, ChatStream._stop),  # noqa: SLF001
}
