"""Neutral steps as a stream of chat completion chunks, exactly as OpenAI has them."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from provider_svc.dialects.dialect import Asked
from provider_svc.dialects.openai_chat.chunks import DONE, ChunkWriter
from provider_svc.dialects.openai_chat.schema import Json
from provider_svc.dialects.openai_chat.told import (
    annotation,
    completion_id,
    finish_reason,
    speaks_of_functions,
    thinking_block,
    wants_usage,
)
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
from runestone.common.v1.usage_pb2 import Usage


class AnswerWriter:
    """See `dialect.AnswerWriter`.

    Thinking streams as `reasoning_content`; where it was sealed, the whole follows as one of `thinking_blocks`. Sources are told behind
    all text, in one chunk: official clients cannot put two lists together.
    """

    def __init__(self, asked: Asked) -> None:
        self._created = asked.created
        self._include_usage = wants_usage(asked.members)
        self._is_legacy = speaks_of_functions(asked)
        self._chunks: ChunkWriter  # from `Start` on
        self._open: OpenText | OpenThinking | OpenCall = OpenText()
        self._thought: list[str] = []
        self._is_empty = True  # the open part
        self._count_calls = 0
        self._count_blocks = 0
        self._told = 0  # characters of text
        self._begun_at = 0  # where the open text stands in it
        self._cites: list[Cite] = []  # of the open text
        self._annotations: list[Json] = []
        self._usage: Usage | None = None

    def write(self, step: Step) -> Iterable[bytes]:
        """See `dialect.AnswerWriter.write`."""
        return _STEPS[type(step)](self, step)

    def _start(self, step: Start) -> Iterable[bytes]:
        created = self._created if step.created is None else step.created
        completion = completion_id(step.id, created)
        self._chunks = ChunkWriter(completion, step.model, created, include_usage=self._include_usage)
        return (self._chunks.delta({"role": "assistant", "content": ""}),)

    def _open_text(self, step: OpenText) -> Iterable[bytes]:
        self._open, self._begun_at = step, self._told
        return ()

    def _open_thinking(self, step: OpenThinking) -> Iterable[bytes]:
        self._open = step
        return ()

    def _open_call(self, step: OpenCall) -> Iterable[bytes]:
        self._open, self._is_empty = step, True
        self._count_calls += 1
        return (self._write_call(step.name, "", step.id),)

    def _grow(self, step: Grow) -> Iterable[bytes]:
        opened = self._open
        self._is_empty = False
        if isinstance(opened, OpenText):
            return (self._write_text(opened, step),)
        if isinstance(opened, OpenThinking):
            self._thought.append(step.text)
            return (self._chunks.text(b"reasoning_content", step.text),)
        return (self._write_call(None, step.text),)

    def _write_text(self, opened: OpenText, step: Grow) -> bytes:
        member = "refusal" if opened.is_refusal else "content"
        if member == "content":
            self._told += len(step.text)
        if step.logprobs is None:
            return self._chunks.text(member.encode(), step.text)
        logprobs = {"content": None, "refusal": None} | {member: step.logprobs}
        return self._chunks.delta({member: step.text}, logprobs=logprobs)

    def _write_call(self, name: str | None, piece: str, call_id: str | None = None) -> bytes:
        """A piece of the open call; its first one has the name and the id."""
        opened = self._open
        assert isinstance(opened, OpenCall)
        given: Json = {} if name is None else {"name": name}
        given["input" if opened.is_custom else "arguments"] = piece
        if self._is_legacy and self._count_calls == 1:
            return self._chunks.delta({"function_call": given})
        kind = "custom" if opened.is_custom else "function"
        named = {} if call_id is None else {"id": call_id, "type": kind}
        return self._chunks.delta({"tool_calls": [{"index": self._count_calls - 1, **named, kind: given}]})

    def _cite(self, step: Cite) -> Iterable[bytes]:
        self._cites.append(step)
        return ()

    def _close(self, step: Close) -> Iterable[bytes]:
        if isinstance(self._open, OpenThinking):
            return self._close_thinking(self._open, step)
        if isinstance(self._open, OpenCall):
            return self._close_call(self._open)
        self._annotations += [annotation(cite, self._begun_at, self._told) for cite in self._cites]
        self._cites.clear()
        return ()

    def _close_thinking(self, opened: OpenThinking, step: Close) -> Iterable[bytes]:
        thought = "".join(self._thought)
        self._thought.clear()
        if not step.seal:
            return ()
        block = thinking_block(thought, step.seal, step.sealed_by, opened.id, is_redacted=opened.is_redacted)
        block["index"] = self._count_blocks  # by which official clients put lists together
        self._count_blocks += 1
        return (self._chunks.delta({"thinking_blocks": [block]}),)

    def _close_call(self, opened: OpenCall) -> Iterable[bytes]:
        """A function that is given nothing is given `{}`."""
        return (self._write_call(None, "{}"),) if self._is_empty and not opened.is_custom else ()

    def _count(self, step: Count) -> Iterable[bytes]:
        self._usage = step.usage
        return ()

    def _stop(self, step: Stop) -> Iterable[bytes]:
        if self._annotations:
            yield self._chunks.delta({"annotations": self._annotations})
        if step.words:
            yield self._chunks.text(b"refusal", step.words)
        yield self._chunks.delta({}, finish_reason(step.reason, is_legacy=self._is_legacy))

    def _end(self, _: End) -> Iterable[bytes]:
        if self._include_usage and self._usage is not None:
            yield self._chunks.usage(self._usage)
        yield DONE


_STEPS: Mapping[type[Step], Callable[[AnswerWriter, Any], Iterable[bytes]]] = {
    Start: AnswerWriter._start,  # noqa: SLF001  the writer's own
    OpenText: AnswerWriter._open_text,  # noqa: SLF001
    OpenThinking: AnswerWriter._open_thinking,  # noqa: SLF001
    OpenCall: AnswerWriter._open_call,  # noqa: SLF001
    Grow: AnswerWriter._grow,  # noqa: SLF001
    Cite: AnswerWriter._cite,  # noqa: SLF001
    Close: AnswerWriter._close,  # noqa: SLF001
    Count: AnswerWriter._count,  # noqa: SLF001
    Stop: AnswerWriter._stop,  # noqa: SLF001
    End: AnswerWriter._end,  # noqa: SLF001
}
