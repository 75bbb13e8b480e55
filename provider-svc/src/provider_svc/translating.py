"""A provider around a provider: it speaks every dialect of conversations, whichever the one inside speaks.

What the inner one speaks itself passes untouched, as bytes. Everything else is translated, always as a stream: a unary answer is
its fold. A stream that may have to go on elsewhere (`UpstreamCall.weaving`) is translated in any case.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from itertools import accumulate

import msgspec

from chassis.billing.estimate import Passed
from chassis.clock import Clock
from chassis.errors import Reason, RunestoneError
from chassis.sse import read_event
from provider_svc.dialects.custom_tools import CustomCalls, as_functions, name_custom_tools
from provider_svc.dialects.dialect import AnswerReader, AnswerWriter, Asked
from provider_svc.dialects.losses import Losses
from provider_svc.dialects.said import Said
from provider_svc.dialects.steps import End, Step
from provider_svc.dialects.table import DIALECTS, TRANSLATIONS, find_translation
from provider_svc.dialects.weaving import Weaving
from provider_svc.provider import Begun, Chunk, Meter, Provider, Sink, UpstreamCall
from provider_svc.routing import unspoken
from runestone.common.v1.dialect_pb2 import (
    DIALECT_ANTHROPIC_MESSAGES,
    DIALECT_OPENAI_CHAT,
    DIALECT_OPENAI_RESPONSES,
    Dialect,
)

# How a stream is asked for, with all that it can tell.
STREAMED: dict[Dialect.ValueType, dict[str, object]] = {
    DIALECT_OPENAI_CHAT: {"stream": True, "stream_options": {"include_usage": True}},
    DIALECT_OPENAI_RESPONSES: {"stream": True},
    DIALECT_ANTHROPIC_MESSAGES: {"stream": True},
}

MOST = 128 << 20  # bytes of the events of one answer: much of it is held until it is whole

_read_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Translating:
    """`inner`, and what it takes to ask it in other dialects."""

    def __init__(self, inner: Provider, clock: Clock) -> None:
        self._inner = inner
        self._clock = clock

    @property
    def dialects(self) -> frozenset[Dialect.ValueType]:
        """Those of the inner one, and those that can be translated into one of them."""
        spoken = self._inner.dialects
        return spoken | {asked for asked in TRANSLATIONS if find_translation(asked, spoken) is not None}

    async def call(self, call: UpstreamCall, sink: Sink) -> None:
        """See `Provider.call`. Raises INVALID_REQUEST, before anything is sent, for what cannot be translated."""
        spoken, weaving = self._inner.dialects, _find_weaving(call)
        is_spoken = call.dialect in spoken
        if is_spoken and weaving is None:
            await self._inner.call(call, sink)
            return
        target = call.dialect if is_spoken else find_translation(call.dialect, spoken)
        if target is None or call.kept is not None:
            raise unspoken(call.model)
        await self._translate(call, target, sink, weaving)

    async def _translate(
        self, call: UpstreamCall, target: Dialect.ValueType, sink: Sink, weaving: Weaving | None
    ) -> None:
        asked, spoken = DIALECTS[call.dialect], DIALECTS[target]
        losses = Losses(is_strict=call.is_strict)
        prompt, reader = asked.read_prompt(call.members, losses), spoken.open_reader()
        if weaving is not None:
            prompt = weaving.ask(prompt)
        if not spoken.has_custom_tools:
            if names := name_custom_tools(prompt):
                reader = CustomCalls(reader, names)
            prompt = as_functions(prompt, losses)
        members = _encode(spoken.write_prompt(prompt, losses) | STREAMED[target])
        question = Asked(call.members, int(self._clock.time()))
        if call.stream:
            writer = asked.open_writer(question) if weaving is None else weaving.open_writer(call.meter)
            translated: _Translation = _Stream(sink, losses, reader, writer)
        else:
            translated = _Whole(sink, losses, reader, call.meter)
        there = UpstreamCall(
            call_id=call.call_id,
            model=call.model,
            stream=True,
            members=members,
            dialect=target,
            headers=call.headers if target == call.dialect else {},  # others' are not its maker's
            meter=call.meter,
        )
        await self._inner.call(there, translated)
        translated.check_whole()
        if isinstance(translated, _Whole):
            document = asked.write_document(translated.said, question)
            sink.add(Chunk(document, (len(document),)))

    async def close(self) -> None:
        """Closes the inner one."""
        await self._inner.close()

    def __repr__(self) -> str:
        return f"Translating({self._inner!r})"


class _Translation(ABC):
    """A sink that reads what the inner provider brings, before the client's own sink."""

    def __init__(self, sink: Sink, losses: Losses, reader: AnswerReader) -> None:
        self._sink = sink
        self._losses = losses
        self._reader = reader
        self._is_whole = False
        self._left = MOST
        self.has_room, self.wait_for_room = sink.has_room, sink.wait_for_room

    def accept(self, begun: Begun) -> None:
        self._sink.accept(msgspec.structs.replace(begun, dropped=self._losses.paths, is_translated=True))

    @abstractmethod
    def add(self, chunk: Chunk) -> None:
        """Reads what has come."""

    def check_whole(self) -> None:
        """Raises PROVIDER_STREAM_CUT where the answer's end was not said: what the client has is not whole."""
        if not self._is_whole:
            message = "the provider's stream ended without saying so"
            raise RunestoneError(Reason.PROVIDER_STREAM_CUT, message, upstream_status=200)

    def _read(self, chunk: Chunk) -> Iterable[Step]:
        self._left -= len(chunk.body)
        if self._left < 0:
            message = f"the provider's answer is larger than the {MOST} bytes that are translated"
            raise RunestoneError(Reason.PROVIDER_INVALID_ANSWER, message, upstream_status=200)
        for frame in chunk.split():
            if not self._is_whole and (data := read_event(frame).data):
                for step in self._reader.read(data):
                    self._is_whole = self._is_whole or type(step) is End
                    yield step


class _Stream(_Translation):
    """The client's own events."""

    def __init__(self, sink: Sink, losses: Losses, reader: AnswerReader, writer: AnswerWriter) -> None:
        super().__init__(sink, losses, reader)
        self._writer = writer

    def add(self, chunk: Chunk) -> None:
        events: list[bytes] = []
        try:
            for step in self._read(chunk):
                events += self._writer.write(step)
        finally:
            if events:  # what came before a failure is the client's
                self._sink.add(Chunk(b"".join(events), tuple(accumulate(map(len, events)))))


class _Whole(_Translation):
    """The fold, for a client that wants one document."""

    def __init__(self, sink: Sink, losses: Losses, reader: AnswerReader, meter: Meter) -> None:
        super().__init__(sink, losses, reader)
        self.said = Said()
        self._passed = meter.passed = Passed()

    def add(self, chunk: Chunk) -> None:
        self._passed.add(chunk.body)
        for step in self._read(chunk):
            self.said.add(step)


def _find_weaving(call: UpstreamCall) -> Weaving | None:
    """That of a stream; of a document nothing was told before it is whole, so that it never has to go on."""
    is_woven = call.weaving is not None and call.stream and call.kept is None and call.weaving.is_possible
    return call.weaving if is_woven else None


def _encode(members: dict[str, object]) -> dict[str, msgspec.Raw]:
    """A client's arguments, which come as a string, may be as deep as a body may; inside a body they are deeper."""
    try:
        return _read_members(msgspec.json.encode(members))
    except (RecursionError, msgspec.MsgspecError) as exc:
        message = "the request is nested too deeply to be translated"
        raise RunestoneError(Reason.INVALID_REQUEST, message) from exc
