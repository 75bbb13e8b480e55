"""A stream's fold: the whole answer that its steps make."""

from typing import Any, Literal

from msgspec import Struct, field

from chassis.errors import Reason as ErrorReason
from chassis.errors import RunestoneError
from provider_svc.dialects.prompt import Maker
from provider_svc.dialects.steps import (
    Cite,
    Close,
    Count,
    End,
    Grow,
    OpenCall,
    OpenText,
    OpenThinking,
    Reason,
    Start,
    Step,
    Stop,
)
from runestone.common.v1.usage_pb2 import Usage


class SaidPart(Struct, kw_only=True):
    """One part, whole. `id` and `name` are a call's; `seal` is thinking's."""

    kind: Literal["text", "refusal", "thinking", "redacted", "call", "custom_call"]
    pieces: list[str] = field(default_factory=list)
    logprobs: list[Any] = field(default_factory=list)
    sources: list[Cite] = field(default_factory=list)
    id: str = ""
    name: str = ""
    seal: str = ""
    sealed_by: Maker | None = None

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(self.pieces)


class Said(Struct, kw_only=True):
    """A whole answer; what was not said is empty or None."""

    id: str = ""
    model: str = ""
    created: int | None = None
    parts: list[SaidPart] = field(default_factory=list)
    reason: Reason | None = None
    sequence: str | None = None
    words: str | None = None
    usage: Usage | None = None
    is_whole: bool = False

    def add(self, step: Step) -> None:
        """One step more. Raises PROVIDER_INVALID_ANSWER for one that cannot stand where it does."""
        match step:
            case Grow(text, logprobs):
                part = self._open
                part.pieces.append(text)
                part.logprobs.extend(logprobs or ())
            case OpenText() | OpenThinking() | OpenCall():
                self.parts.append(_begin(step))
            case Cite():
                self._open.sources.append(step)
            case Close(seal, sealed_by):
                self._open.seal, self._open.sealed_by = seal, sealed_by
            case _:
                self._note(step)

    def _note(self, step: Start | Count | Stop | End) -> None:
        """What is said of the whole."""
        match step:
            case Start(id, model, created):
                self.id, self.model, self.created = id, model, created
            case Count(usage):
                self.usage = usage
            case Stop(reason, sequence, words):
                self.reason, self.sequence, self.words = reason, sequence, words
            case End():
                self.is_whole = True

    @property
    def _open(self) -> SaidPart:
        if not self.parts:
            message = "the provider's answer goes on with a part that it did not begin"
            raise RunestoneError(ErrorReason.PROVIDER_INVALID_ANSWER, message, upstream_status=200)
        return self.parts[-1]


def _begin(step: OpenText | OpenThinking | OpenCall) -> SaidPart:
    match step:
        case OpenText(is_refusal):
            return SaidPart(kind="refusal" if is_refusal else "text")
        case OpenThinking(id, is_redacted):
            return SaidPart(kind="redacted" if is_redacted else "thinking", id=id)
        case OpenCall(id, name, is_custom):
            return SaidPart(kind="custom_call" if is_custom else "call", id=id, name=name)
