"""Custom tools, which take free text, for dialects that have functions only: functions that take the text as their one argument, and back.
Pure."""

from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from provider_svc.dialects.dialect import AnswerReader
from provider_svc.dialects.losses import Losses
from provider_svc.dialects.prompt import Json, Part, Prompt, Tool, ToolCall, ToolResult, Turn
from provider_svc.dialects.steps import Close, Grow, OpenCall, Step


class Wrapped(msgspec.Struct):
    """The arguments of such a function."""

    input: str


_decode = msgspec.json.Decoder(Wrapped).decode
_encode = msgspec.json.Encoder().encode


def name_custom_tools(prompt: Prompt) -> frozenset[str]:
    """The names of those that the model may call."""
    return frozenset(tool.name for tool in prompt.tools if tool.is_custom)


def as_functions(prompt: Prompt, losses: Losses) -> Prompt:
    """The same question with functions in place of custom tools, in what was called before, too. A format is said in words, and told of
    as lost: nothing holds the model to it."""
    choice = prompt.choice
    return replace(
        prompt,
        tools=tuple(_wrap_tool(tool, f"tools[{i}]", losses) for i, tool in enumerate(prompt.tools)),
        choice=replace(choice, is_custom=False) if choice is not None else None,
        turns=tuple(_wrap_turn(turn) for turn in prompt.turns),
    )


def _wrap_tool(tool: Tool, path: str, losses: Losses) -> Tool:
    if not tool.is_custom:
        return tool
    given: Json = {"type": "string"}
    if tool.format is not None and tool.format.get("type") == "grammar":
        losses.drop(f"{path}.format")
        given["description"] = f"Text of this {tool.format.get('syntax')} grammar:\n{tool.format.get('definition')}"
    schema: Json = {
        "type": "object",
        "properties": {"input": given},
        "required": ["input"],
        "additionalProperties": False,
    }
    return replace(tool, schema=schema, is_custom=False, format=None)


def _wrap_turn(turn: Turn) -> Turn:
    wrapped = tuple(_wrap_part(part) for part in turn.parts)
    return turn if wrapped == turn.parts else replace(turn, parts=wrapped)


def _wrap_part(part: Part) -> Part:
    match part:
        case ToolCall(is_custom=True):
            return replace(part, arguments=_encode(Wrapped(part.arguments)).decode(), is_custom=False)
        case ToolResult(is_custom=True):
            return replace(part, is_custom=False)
        case _:
            return part


class CustomCalls:
    """Reads as `inner` does, but for calls of `names`: they are of custom tools again. Their text comes when it is whole."""

    def __init__(self, inner: AnswerReader, names: frozenset[str]) -> None:
        self._inner = inner
        self._names = names
        self._pieces: list[str] | None = None

    def read(self, data: bytes) -> Iterable[Step]:
        """See `AnswerReader.read`."""
        for step in self._inner.read(data):
            yield from self._unwrap(step)

    def _unwrap(self, step: Step) -> Iterable[Step]:
        if isinstance(step, OpenCall) and step.name in self._names:
            self._pieces = []
            yield replace(step, is_custom=True)
        elif self._pieces is None:
            yield step
        elif isinstance(step, Grow):
            self._pieces.append(step.text)
        else:
            if isinstance(step, Close):
                if text := _read_text("".join(self._pieces)):
                    yield Grow(text)
                self._pieces = None
            yield step


def _read_text(arguments: str) -> str:
    """What the model wrote, also where it did not keep to the one argument."""
    try:
        return _decode(arguments).input
    except (msgspec.MsgspecError, RecursionError):
        return arguments
