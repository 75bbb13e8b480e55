"""The parts of one answer, one open at a time."""

from typing import Any, Literal

from provider_svc.dialects.openai_chat.calls import Calls
from provider_svc.dialects.openai_chat.chunk_schema import CallDelta, ThinkingBlock
from provider_svc.dialects.seals import unwrap
from provider_svc.dialects.steps import Cite, Close, Grow, OpenText, OpenThinking, Step

Kind = Literal["text", "refusal", "thinking"]

_OPENINGS: dict[Kind, Step] = {
    "text": OpenText(),
    "refusal": OpenText(is_refusal=True),
    "thinking": OpenThinking(),
}
_CLOSE = Close()


class Parts:
    """Opens and closes parts as pieces come. Steps are added to the lists that are handed in."""

    def __init__(self) -> None:
        self.calls = Calls()
        self._open: Kind | Literal["calls"] | None = None

    def grow(self, kind: Kind, text: str, steps: list[Step], logprobs: list[Any] | None = None) -> None:
        """More text of a kind, not empty; of a new part where another was open."""
        if self._open != kind:
            self._begin(kind, steps)
        steps.append(Grow(text, logprobs))

    def cite(self, cite: Cite, steps: list[Step]) -> None:
        """A source of the open text; of an empty one where none is open."""
        if self._open != "text":
            self._begin("text", steps)
        steps.append(cite)

    def call(self, delta: CallDelta, answer_id: str, steps: list[Step]) -> None:
        """A piece of a call. Raises what `Calls.add` raises."""
        if self._open != "calls":
            self.close(steps)
            self._open = "calls"
        self.calls.add(delta, answer_id, steps)

    def seal(self, block: ThinkingBlock, steps: list[Step]) -> None:
        """What a sealed block adds. Of one whose text streamed as `reasoning_content` that is the seal alone."""
        if block.data:
            self.close(steps)
            steps += (OpenThinking(block.id or "", is_redacted=True), Close(*unwrap(block.data, "anthropic")))
            return
        if self._open != "thinking" and (block.thinking or block.signature):
            self.close(steps)
            self._open = "thinking"
            steps.append(OpenThinking(block.id or ""))
            if block.thinking:
                steps.append(Grow(block.thinking))
        if block.signature:
            self._open = None
            steps.append(Close(*unwrap(block.signature, "anthropic")))

    def close(self, steps: list[Step]) -> None:
        """Nothing is open any more. Raises what `Calls.flush` raises."""
        if self._open == "calls":
            self.calls.flush(steps)
        elif self._open is not None:
            steps.append(_CLOSE)
        self._open = None

    def _begin(self, kind: Kind, steps: list[Step]) -> None:
        self.close(steps)
        self._open = kind
        steps.append(_OPENINGS[kind])
