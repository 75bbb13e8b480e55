"""What the simulated provider reads of a request, of a chat request above all."""

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Annotated, Any, TypeVar

import msgspec

from chassis.errors import Reason, RunestoneError
from provider_svc.documents import UNREADABLE

DELIVERY = ("stream", "stream_options")
Form = TypeVar("Form")
Schema = dict[str, Any]  # a JSON Schema, as far as `tools` understands it


class Part(msgspec.Struct):
    """A piece of a message; only text counts."""

    type: str = "text"
    text: str = ""


class Message(msgspec.Struct):
    """One turn of the conversation."""

    role: str
    content: str | list[Part] | None = None

    @property
    def text(self) -> str:
        """Its text, without what is not text."""
        if isinstance(self.content, list):
            return " ".join(part.text for part in self.content)
        return self.content or ""


class Function(msgspec.Struct):
    """A function that the model may call."""

    name: str
    parameters: Schema = {}


class Tool(msgspec.Struct):
    """A tool; only functions are known."""

    function: Function


class NamedFunction(msgspec.Struct):
    """The function of a tool choice."""

    name: str


class NamedTool(msgspec.Struct):
    """A tool choice that names a function."""

    function: NamedFunction


class Request(msgspec.Struct):
    """A chat request."""

    messages: Annotated[list[Message], msgspec.Meta(min_length=1)]
    max_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    max_completion_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    n: int | None = None
    tools: list[Tool] | None = None
    tool_choice: str | NamedTool | None = None

    @property
    def token_limit(self) -> int | None:
        """The most tokens to answer with; None without a limit."""
        return self.max_completion_tokens or self.max_tokens

    @property
    def last_words(self) -> list[str]:
        """The words of the last message that a user wrote."""
        texts = [message.text for message in self.messages if message.role == "user"]
        return texts[-1].split() if texts else []

    def count_words(self) -> int:
        """The words of all messages."""
        return sum(len(message.text.split()) for message in self.messages)

    def find_forced_function(self) -> Function | None:
        """The function that must be called; None where the choice is the model's. Raises PROVIDER_REFUSED when the choice
        names none of the tools."""
        functions = [tool.function for tool in self.tools or ()]
        if self.tool_choice == "required" and functions:
            return functions[0]
        if not isinstance(self.tool_choice, NamedTool):
            return None
        for function in functions:
            if function.name == self.tool_choice.function.name:
                return function
        raise refused("tool_choice names a function that is not in tools", "tool_choice")


_decode = msgspec.json.Decoder(Request).decode


def read_request(members: Mapping[str, msgspec.Raw]) -> tuple[Request, bytes]:
    """The request, and its digest. Raises PROVIDER_REFUSED with what is wrong with it."""
    request = read_body(_decode, members)
    if request.n not in {None, 1}:
        raise refused("the simulated provider gives one choice; leave out n", "n")
    return request, digest(members)


def read_body(decode: Callable[[bytes], Form], members: Mapping[str, msgspec.Raw]) -> Form:
    """A request of one endpoint. Raises PROVIDER_REFUSED with what is wrong with it."""
    try:
        return decode(_encode(members))
    except UNREADABLE as exc:
        message, _, path = str(exc).partition(" - at `$")
        raise refused(message, path.strip("`.")) from exc


def digest(members: Mapping[str, msgspec.Raw]) -> bytes:
    """Of a body, but for how its answer is delivered: a stream says what the document says."""
    return sha256(_encode(members)).digest()


def _encode(members: Mapping[str, msgspec.Raw]) -> bytes:
    return msgspec.json.encode({name: raw for name, raw in members.items() if name not in DELIVERY})


def refused(message: str, param: str) -> RunestoneError:
    """The refusal that a provider would answer with HTTP 400."""
    return RunestoneError(Reason.PROVIDER_REFUSED, message, param=param, upstream_status=400)
