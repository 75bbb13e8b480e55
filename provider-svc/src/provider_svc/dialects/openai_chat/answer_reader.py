"""A stream of chat completion chunks as neutral steps."""

from collections.abc import Iterable, Mapping

from chassis.errors import Reason as ErrorReason
from chassis.errors import RunestoneError
from provider_svc.dialects.openai_chat.chunk_schema import (
    NULL,
    CallDelta,
    Choice,
    Chunk,
    Delta,
    Logprobs,
    Piece,
    invalid,
    read_chunk,
)
from provider_svc.dialects.openai_chat.parts import Parts
from provider_svc.dialects.openai_chat.usage import read_usage
from provider_svc.dialects.steps import Cite, Count, End, Reason, Start, Step, Stop

# OpenAI's words, and those of imitators. One that is younger than this table reads as an end: the answer is whole, whatever ended it.
REASONS: Mapping[str, Reason] = {
    "stop": "end",
    "eos": "end",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "tool_calls": "tools",
    "function_call": "tools",
    "content_filter": "filter",
}
FAILURES = frozenset({"error", "insufficient_system_resource"})  # OpenRouter and Mistral; DeepSeek

_DONE = b"[DONE]"
_NO_LOGPROBS = Logprobs()


class AnswerReader:
    """See `dialect.AnswerReader`. Of several choices the first is read."""

    def __init__(self) -> None:
        self._parts = Parts()
        self._id = ""
        self._is_started = False
        self._finish: str | None = None
        self._met: str | int | None = None

    def read(self, data: bytes) -> Iterable[Step]:
        """See `dialect.AnswerReader.read`."""
        if data.startswith(_DONE):
            return self._end()
        chunk = read_chunk(data)
        steps: list[Step] = []
        if not self._is_started:
            self._start(chunk, steps)
        for choice in chunk.choices or ():
            if not choice.index:
                self._read_choice(choice, steps)
        if self._is_started and chunk.usage != NULL and (usage := read_usage(chunk.usage)) is not None:
            steps.append(Count(usage))
        return steps

    def _start(self, chunk: Chunk, steps: list[Step]) -> None:
        """Azure sends a chunk without choices ahead, which does not name the answer yet."""
        if not chunk.choices and chunk.usage == NULL:
            return
        self._is_started = True
        self._id = chunk.id or ""
        created = None if chunk.created is None else int(chunk.created)
        steps.append(Start(self._id, chunk.model or "", created))

    def _read_choice(self, choice: Choice, steps: list[Step]) -> None:
        if choice.delta is not None:
            self._read_delta(choice.delta, choice.logprobs or _NO_LOGPROBS, steps)
        if choice.stop_reason is not None:
            self._met = choice.stop_reason
        if choice.finish_reason:
            self._finish = choice.finish_reason
            self._parts.close(steps)

    def _read_delta(self, delta: Delta, logprobs: Logprobs, steps: list[Step]) -> None:
        if thought := delta.reasoning_content or delta.reasoning:
            self._parts.grow("thinking", thought, steps)
        for block in delta.thinking_blocks or ():
            self._parts.seal(block, steps)
        if isinstance(delta.content, str):
            if delta.content:
                self._parts.grow("text", delta.content, steps, logprobs.content)
        elif delta.content:
            self._read_pieces(delta.content, steps)
        if delta.refusal:
            self._parts.grow("refusal", delta.refusal, steps, logprobs.refusal)
        for note in delta.annotations or ():
            if note.url_citation is not None:
                self._parts.cite(Cite(note.url_citation.url, note.url_citation.title or ""), steps)
        if delta.tool_calls or delta.function_call:
            self._read_calls(delta, steps)

    def _read_pieces(self, pieces: list[Piece], steps: list[Step]) -> None:
        for piece in pieces:
            for thought in _thoughts(piece):
                self._parts.grow("thinking", thought, steps)
            if piece.text:
                self._parts.grow("text", piece.text, steps)

    def _read_calls(self, delta: Delta, steps: list[Step]) -> None:
        for call in delta.tool_calls or ():
            self._parts.call(call, self._id, steps)
        if delta.function_call is not None:
            self._parts.call(CallDelta(index=0, function=delta.function_call), self._id, steps)

    def _end(self) -> Iterable[Step]:
        if self._finish is None and self._met is None:
            raise invalid("ended its answer without saying why it stopped")
        if self._finish in FAILURES:
            message = f"the model stopped because of a failure of the provider ({self._finish})"
            raise RunestoneError(ErrorReason.PROVIDER_FAILED, message, upstream_status=200)
        steps: list[Step] = []
        self._parts.close(steps)
        return [*steps, self._stop(), End()]

    def _stop(self) -> Stop:
        """Who is made to call one tool, or imitates, may say "stop" and mean its calls."""
        reason = REASONS.get(self._finish or "", "end")
        if reason == "end" and self._parts.calls.count:
            return Stop("tools")
        if reason == "end" and isinstance(self._met, str):
            return Stop("sequence", self._met)
        return Stop(reason)


def _thoughts(piece: Piece) -> Iterable[str]:
    if isinstance(piece.thinking, str):
        return (piece.thinking,) if piece.thinking else ()
    return [inner.text for inner in piece.thinking or () if inner.text]
