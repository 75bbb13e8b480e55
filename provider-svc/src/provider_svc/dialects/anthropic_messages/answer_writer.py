"""Steps as Anthropic's events.

A text or a thinking begins when it has something to show: an empty block could never be handed back. What an answer used is known
last, so that its beginning says 0 and its end all.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from provider_svc.dialects.anthropic_messages.stop_reasons import write_ending, write_reason
from provider_svc.dialects.anthropic_messages.usage import write_usage
from provider_svc.dialects.dialect import Asked
from provider_svc.dialects.seals import wrap
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

_encode = msgspec.json.encode

_TEXT: dict[str, object] = {"type": "text", "text": ""}
_THINKING: dict[str, object] = {"type": "thinking", "thinking": "", "signature": ""}

_TEXT_PIECE = (b'{"type":"text_delta","text":', b"}")
_THINKING_PIECE = (b'{"type":"thinking_delta","thinking":', b"}")
_INPUT_PIECE = (b'{"type":"input_json_delta","partial_json":', b"}")

_UNSAID = Stop("end")

_MESSAGE_STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'


class Writer:
    """See `AnswerWriter`."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._index = -1  # of the last block that was begun
        self._pending: dict[str, object] | None = None  # a block that is begun when it grows
        self._before, self._after = b"", b""  # what stands around a piece of the open block
        self._piece = _TEXT_PIECE
        self._is_redacted = False
        self._has_calls = False
        self._has_refused = False
        self._stop: Stop | None = None
        self._usage: Usage | None = None

    def write(self, step: Step) -> list[bytes]:
        """See `AnswerWriter.write`."""
        return _STEPS[type(step)](self, step)

    def _grow(self, step: Grow) -> list[bytes]:
        return [*self._begin_pending(), self._before + _encode(step.text) + self._after]

    def _open_text(self, step: OpenText) -> list[bytes]:
        self._has_refused = self._has_refused or step.is_refusal
        self._pending, self._piece = _TEXT, _TEXT_PIECE
        return []

    def _open_thinking(self, step: OpenThinking) -> list[bytes]:
        self._pending, self._piece, self._is_redacted = _THINKING, _THINKING_PIECE, step.is_redacted
        return []

    def _open_call(self, step: OpenCall) -> list[bytes]:
        self._has_calls, self._piece = True, _INPUT_PIECE
        return [self._begin({"type": "tool_use", "id": step.id, "name": step.name, "input": {}})]

    def _cite(self, step: Cite) -> list[bytes]:
        return [*self._begin_pending(), self._delta({"type": "citations_delta", "citation": citation(step)})]

    def _count(self, step: Count) -> list[bytes]:
        self._usage = step.usage
        return []

    def _note_stop(self, step: Stop) -> list[bytes]:
        self._stop = step
        return []

    def _start(self, step: Start) -> list[bytes]:
        message: dict[str, object] = {
            "id": message_id(step.id, self._asked),
            "type": "message",
            "role": "assistant",
            "model": step.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": write_usage(self._usage),
        }
        return [_event("message_start", {"message": message})]

    def _begin_pending(self) -> list[bytes]:
        if self._pending is None:
            return []
        block, self._pending = self._pending, None
        return [self._begin(block)]

    def _begin(self, block: dict[str, object]) -> bytes:
        self._index += 1
        start, end = self._piece
        self._before = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":%b' % (
            self._index,
            start,
        )
        self._after = end + b"}\n\n"
        return _event("content_block_start", {"index": self._index, "content_block": block})

    def _delta(self, delta: dict[str, object]) -> bytes:
        return _event("content_block_delta", {"index": self._index, "delta": delta})

    def _close(self, close: Close) -> list[bytes]:
        seal = wrap(close.seal, close.sealed_by, "anthropic")
        is_redacted, self._is_redacted = self._is_redacted, False
        if self._pending is not None and not seal:  # nothing came of it
            self._pending = None
            return []
        if is_redacted:
            self._pending = {"type": "redacted_thinking", "data": seal}
        events = self._begin_pending()
        if seal and not is_redacted:
            events.append(self._delta({"type": "signature_delta", "signature": seal}))
        return [*events, _event("content_block_stop", {"index": self._index})]

    def _end(self, _step: End) -> list[bytes]:
        stop = self._stop or _UNSAID
        reason = write_reason(stop.reason, has_calls=self._has_calls, has_refused=self._has_refused)
        ending = write_ending(reason, stop.sequence, stop.words)
        return [_event("message_delta", {"delta": ending, "usage": write_usage(self._usage)}), _MESSAGE_STOP]


def message_id(answer_id: str, asked: Asked) -> str:
    """An id as Anthropic's are, of what the provider calls the answer; of when it was asked, where it calls it nothing."""
    return answer_id if answer_id.startswith("msg_") else f"msg_{answer_id or asked.created}"


def citation(cite: Cite) -> dict[str, object]:
    """A source as Anthropic's web search tells of one; `encrypted_index` only its own can know."""
    return {
        "type": "web_search_result_location",
        "url": cite.url,
        "title": cite.title,
        "cited_text": "",
        "encrypted_index": "",
    }


def _event(name: str, members: dict[str, object]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), _encode({"type": name} | members))


_STEPS: Mapping[type[Step], Callable[[Writer, Any], list[bytes]]] = {
    Grow: Writer._grow,  # noqa: SLF001  the machine's own steps
    OpenText: Writer._open_text,  # noqa: SLF001
    OpenThinking: Writer._open_thinking,  # noqa: SLF001
    OpenCall: Writer._open_call,  # noqa: SLF001
    Cite: Writer._cite,  # noqa: SLF001
    Close: Writer._close,  # noqa: SLF001
    Start: Writer._start,  # noqa: SLF001
    Count: Writer._count,  # noqa: SLF001
    Stop: Writer._note_stop,  # noqa: SLF001
    End: Writer._end,  # noqa: SLF001
}
