"""The messages of a body as neutral turns, and the system prompt before them."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec.structs import replace

from provider_svc.dialects.losses import Losses, refusal
from provider_svc.dialects.openai_chat.content import Piece, read_content, read_mark
from provider_svc.dialects.openai_chat.schema import Message, ThinkingBlock, ToolCall
from provider_svc.dialects.prompt import (
    Audio,
    CacheMark,
    Part,
    Role,
    Text,
    Thinking,
    ToolResult,
    Turn,
)
from provider_svc.dialects.prompt import ToolCall as Call
from provider_svc.dialects.seals import unwrap

SYSTEM_ROLES = frozenset({"system", "developer"})

# What clients send back as they got it, and no other dialect has a word for.
ECHOES = ("annotations", "parsed", "provider_specific_fields", "reasoning_details")


def read_conversation(messages: Sequence[Message], losses: Losses) -> tuple[tuple[Text, ...], tuple[Turn, ...]]:
    """The system prompt, which is made of the system and developer messages before any other, and the turns.

    Raises INVALID_REQUEST with the message's path for what is malformed.
    """
    return _Reader(losses).read(messages)


class _Reader:
    def __init__(self, losses: Losses) -> None:
        self._losses = losses
        self._custom: set[str] = set()  # ids of calls of custom tools: a result does not say which it is of
        self._last_legacy = ""  # the id of the last call that came without one

    def read(self, messages: Sequence[Message]) -> tuple[tuple[Text, ...], tuple[Turn, ...]]:
        if not messages:
            raise refusal("messages", "messages must not be empty")
        system: list[Text] = []
        turns: list[Turn] = []
        for i, message in enumerate(messages):
            path = f"messages[{i}]"
            if message.role in SYSTEM_ROLES and not turns:
                system += self._read_system(message, path)
            else:
                turns.append(self._read_turn(message, path))
        return tuple(system), tuple(turns)

    def _read_system(self, message: Message, path: str) -> list[Text]:
        if message.name is not None:
            self._losses.lose(f"{path}.name", "a system prompt cannot name its speaker; say it in the text")
        return [part for part in self._read_turn(message, path).parts if isinstance(part, Text)]

    def _read_turn(self, message: Message, path: str) -> Turn:
        known = _ROLES.get(message.role)
        if known is None:
            raise refusal(f"{path}.role", f"messages of the role {message.role} cannot be translated")
        role, read = known
        parts = _mark(tuple(read(self, message, path)), read_mark(message.cache_control))
        return Turn(role=role, parts=parts, path=path, name=message.name if message.role not in _NAMELESS else None)

    def _read_instructions(self, message: Message, path: str) -> Iterator[Part]:
        for piece in self._read_pieces(message, path):
            if not isinstance(piece, Text):
                raise refusal(f"{path}.content", "a system message is text")
            yield piece

    def _read_said(self, message: Message, path: str) -> Iterator[Part]:
        yield from self._read_pieces(message, path)

    def _read_answer(self, message: Message, path: str) -> Iterator[Part]:
        if message.audio is not None:
            self._losses.lose(
                f"{path}.audio", "OpenAI's stored audio cannot be translated; say its transcript in content"
            )
        for echo in ECHOES:
            if getattr(message, echo):
                self._losses.drop(f"{path}.{echo}")
        yield from _read_thinking(message, path)
        yield from self._read_pieces(message, path)
        if message.refusal:
            yield Text(text=message.refusal, is_refusal=True)
        for i, call in enumerate(message.tool_calls or ()):
            yield self._read_call(call, f"{path}.tool_calls[{i}]")
        if message.function_call is not None:
            self._last_legacy = f"call_{path[9:-1]}"  # unique in the body, and the same whenever it is sent again
            yield Call(id=self._last_legacy, name=message.function_call.name, arguments=message.function_call.arguments)

    def _read_call(self, call: ToolCall, path: str) -> Call:
        mark = read_mark(call.cache_control)
        if call.type == "function" and call.function is not None:
            return Call(id=call.id, name=call.function.name, arguments=call.function.arguments, cache=mark)
        if call.type == "custom" and call.custom is not None:
            self._custom.add(call.id)
            return Call(id=call.id, name=call.custom.name, arguments=call.custom.input, is_custom=True, cache=mark)
        raise refusal(f"{path}.type", "a tool call is a function or custom, and says what was called")

    def _read_result(self, message: Message, path: str) -> Iterator[Part]:
        if message.tool_call_id is None:
            raise refusal(f"{path}.tool_call_id", "a tool message must say which call it answers")
        yield self._result(message.tool_call_id, message, path)

    def _read_legacy_result(self, message: Message, path: str) -> Iterator[Part]:
        if not self._last_legacy:
            raise refusal(f"{path}.role", "a function message must stand behind the function_call that it answers")
        yield self._result(self._last_legacy, message, path)

    def _result(self, call_id: str, message: Message, path: str) -> ToolResult:
        parts = []
        for piece in self._read_pieces(message, path):
            if isinstance(piece, Audio):
                raise refusal(f"{path}.content", "what a tool gives cannot be audio")
            parts.append(piece)
        return ToolResult(call_id=call_id, parts=tuple(parts), is_custom=call_id in self._custom)

    def _read_pieces(self, message: Message, path: str) -> tuple[Piece, ...]:
        return read_content(message.content, f"{path}.content", self._losses)


def _read_thinking(message: Message, path: str) -> Iterator[Thinking]:
    """Sealed blocks say what `reasoning_content` repeats."""
    if message.thinking_blocks:
        for i, block in enumerate(message.thinking_blocks):
            yield _read_block(block, f"{path}.thinking_blocks[{i}]")
    elif text := message.reasoning_content or message.reasoning:
        yield Thinking(text=text)


def _read_block(block: ThinkingBlock, path: str) -> Thinking:
    is_redacted = block.type == "redacted_thinking"
    if not is_redacted and block.type != "thinking":
        raise refusal(f"{path}.type", "a thinking block is thinking or redacted_thinking")
    proof = block.data if is_redacted else block.signature
    seal, sealed_by = unwrap(proof, "anthropic") if proof else ("", None)
    return Thinking(
        text=block.thinking or "", seal=seal, sealed_by=sealed_by, is_redacted=is_redacted, id=block.id or ""
    )


def _mark(parts: tuple[Part, ...], mark: CacheMark | None) -> tuple[Part, ...]:
    """A whole message's mark stands behind its last part."""
    if mark is None or not parts or isinstance(parts[-1], Audio | Thinking):
        return parts
    return (*parts[:-1], replace(parts[-1], cache=mark))


_Read = Callable[[_Reader, Message, str], Iterator[Part]]

_ROLES: Mapping[str, tuple[Role, _Read]] = {
    "system": ("system", _Reader._read_instructions),  # noqa: SLF001  the reader's own
    "developer": ("system", _Reader._read_instructions),  # noqa: SLF001
    "user": ("user", _Reader._read_said),  # noqa: SLF001
    "assistant": ("assistant", _Reader._read_answer),  # noqa: SLF001
    "tool": ("user", _Reader._read_result),  # noqa: SLF001
    "function": ("user", _Reader._read_legacy_result),  # noqa: SLF001
}

_NAMELESS = frozenset({"tool", "function"})  # there it is the tool's name, which the call says
