"""Reading an OpenAI chat answer as it streams. Pure: lines in, pieces of text out."""

from dataclasses import dataclass, field

import msgspec

from launcher.errors import LaunchError

DONE = "[DONE]"


class _Delta(msgspec.Struct, frozen=True):
    content: str | None = None


class _Choice(msgspec.Struct, frozen=True):
    delta: _Delta = _Delta()


class _Error(msgspec.Struct, frozen=True):
    message: str = ""


class _Chunk(msgspec.Struct, frozen=True):
    choices: list[_Choice] = []
    error: _Error | None = None
    model: str | None = None
    usage: dict[str, object] | None = None


@dataclass(slots=True)
class Answer:
    """What has come so far. It is whole only when `is_complete`: a stream without its end said is a broken one."""

    pieces: list[str] = field(default_factory=list)
    model: str | None = None
    usage: dict[str, object] | None = None
    is_complete: bool = False

    @property
    def text(self) -> str:
        """The answer's text."""
        return "".join(self.pieces)

    def take(self, line: str) -> str:
        """Takes one line of the event stream; gives the text that it brought, often none.

        Raises LaunchError with the gateway's message when the line says that the answer failed, or is not JSON.
        """
        if not line.startswith("data:"):
            return ""
        data = line[5:].strip()
        if data == DONE:
            self.is_complete = True
            return ""
        chunk = _decode(data)
        if chunk.error is not None:
            raise LaunchError(chunk.error.message or "the answer failed")
        self.model = chunk.model or self.model
        self.usage = chunk.usage or self.usage
        piece = "".join(choice.delta.content or "" for choice in chunk.choices[:1])
        self.pieces.append(piece)
        return piece


def read_error(status: int, body: bytes) -> str:
    """The gateway's own words for a refusal, or its status when the body is not an error document."""
    try:
        error = msgspec.json.decode(body, type=_Chunk).error
    except msgspec.DecodeError:
        error = None
    return f"{error.message} ({status})" if error and error.message else f"the gateway answered {status}"


def _decode(data: str) -> _Chunk:
    try:
        return msgspec.json.decode(data, type=_Chunk)
    except msgspec.DecodeError as error:
        raise LaunchError(f"the answer is not an OpenAI chat stream: {error}") from error
