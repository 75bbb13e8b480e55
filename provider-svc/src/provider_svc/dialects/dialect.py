"""What a dialect is to those who translate: how it is read, and how it is written."""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, Protocol

import msgspec

from provider_svc.dialects.losses import Losses
from provider_svc.dialects.prompt import Prompt
from provider_svc.dialects.said import Said
from provider_svc.dialects.steps import Step

Members = Mapping[str, msgspec.Raw]


class ReadPrompt(Protocol):
    """Reads a client's body."""

    def __call__(self, members: Members, losses: Losses) -> Prompt:
        """The question that the body asks, `model` and `stream` left aside. Raises INVALID_REQUEST with the path of what is
        malformed; what no other dialect could be told goes to `losses`."""


class WritePrompt(Protocol):
    """Writes a body for a provider."""

    def __call__(self, prompt: Prompt, losses: Losses) -> dict[str, object]:
        """The members of the body, but for `model` and `stream`. Whatever this dialect has no word for goes to `losses`. Raises
        INVALID_REQUEST for what cannot be asked at all."""


class AnswerReader(Protocol):
    """Reads one provider's stream of events; a state machine, of no use after it raised."""

    def read(self, data: bytes) -> Iterable[Step]:
        """The steps that one event's data makes; none for what is not known. Raises PROVIDER_INVALID_ANSWER for what is not this
        dialect, and what an error in the stream says."""


class AnswerWriter(Protocol):
    """Writes one client's answer as events."""

    def write(self, step: Step) -> Iterable[bytes]:
        """The whole SSE events, blank lines included, that a step makes; none for most."""


class Asked(NamedTuple):
    """What writing an answer needs of the question: the client's members, and when it was asked (seconds since the epoch)."""

    members: Members
    created: int


class WriteDocument(Protocol):
    """Writes a whole answer as one document."""

    def __call__(self, said: Said, asked: Asked) -> bytes:
        """The client's document for an answer that is whole."""


class Dialect(NamedTuple):
    """One maker's language for conversations. Where it has no custom tools, it is asked for functions instead (`custom_tools`)."""

    read_prompt: ReadPrompt
    write_prompt: WritePrompt
    open_reader: Callable[[], AnswerReader]
    open_writer: Callable[[Asked], AnswerWriter]
    write_document: WriteDocument
    has_custom_tools: bool = True
