"""An answer as it comes, in nobody's dialect. Values only.

The order of an answer: one `Start`; for each part in turn `Open`, any number of `Grow` (and of a text `Cite`), `Close`; one `Stop`;
one `End`. `Count` may stand anywhere behind `Start`; the last one holds. Parts do not overlap: a dialect whose events do (parallel
calls of Chat Completions) is read into parts that follow each other. An answer without `End` is not whole.
"""

from typing import Any, Literal

from msgspec import Struct

from provider_svc.dialects.prompt import Maker
from runestone.common.v1.usage_pb2 import Usage

# Why a model stopped: by itself, at a stop sequence, at a bound of tokens, to have tools called, because something was held back
# or refused, or to be asked to go on (a turn that paused).
Reason = Literal["end", "sequence", "length", "tools", "filter", "pause"]


class Start(Struct, frozen=True):
    """The answer begins: the provider's id of it, the model's own name, and when (seconds since the epoch; None where not said)."""

    id: str
    model: str
    created: int | None = None


class OpenText(Struct, frozen=True, gc=False):
    """A text begins; as a refusal where the model said it instead of an answer."""

    is_refusal: bool = False


class OpenThinking(Struct, frozen=True, gc=False):
    """Thinking begins; `is_redacted`: it has no text, and its seal comes with `Close`. `id` is OpenAI's of the item."""

    id: str = ""
    is_redacted: bool = False


class OpenCall(Struct, frozen=True, gc=False):
    """A tool is called; what it is given grows."""

    id: str
    name: str
    is_custom: bool = False


class Grow(Struct, frozen=True):
    """More of the open part: never empty. `logprobs` are OpenAI's objects, one a token, where they were asked for."""

    text: str
    logprobs: list[Any] | None = None


class Cite(Struct, frozen=True, gc=False):
    """A source of the open text."""

    url: str
    title: str = ""


class Close(Struct, frozen=True, gc=False):
    """The open part is whole; of thinking, with the seal that its maker put on it."""

    seal: str = ""
    sealed_by: Maker | None = None


class Count(Struct, frozen=True):
    """What was used so far. The message is the reader's own: nobody changes it."""

    usage: Usage


class Stop(Struct, frozen=True, gc=False):
    """Why the model stopped, and at which of the stop sequences, where that is known. `words` are its maker's, of a refusal."""

    reason: Reason
    sequence: str | None = None
    words: str | None = None


class End(Struct, frozen=True, gc=False):
    """The answer is whole."""


Step = Start | OpenText | OpenThinking | OpenCall | Grow | Cite | Close | Count | Stop | End

# The mesh's word for each reason: Chat Completions'.
FINISH_REASONS: dict[Reason, str] = {
    "end": "stop",
    "sequence": "stop",
    "length": "length",
    "tools": "tool_calls",
    "filter": "content_filter",
    "pause": "stop",
}
