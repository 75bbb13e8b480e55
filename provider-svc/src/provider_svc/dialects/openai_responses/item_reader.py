"""The items of `input` as turns: one each."""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from provider_svc.dialects.losses import Losses, refusal
from provider_svc.dialects.openai_responses.parts import read_content
from provider_svc.dialects.openai_responses.schema import (
    CallOutput,
    CustomCall,
    FunctionCall,
    Message,
    ReasoningItem,
    read,
)
from provider_svc.dialects.prompt import Audio, Json, Part, Role, Text, Thinking, ToolCall, ToolResult, Turn
from provider_svc.dialects.seals import unwrap

ROLES: Mapping[str, Role] = {"user": "user", "assistant": "assistant", "system": "system", "developer": "system"}


def read_input(said: str | list[Json], losses: Losses) -> tuple[tuple[Text, ...], tuple[Turn, ...]]:
    """What the operator says before the conversation begins, and the conversation.

    Raises INVALID_REQUEST for what is malformed, and for items that only OpenAI itself could look up or run.
    """
    if isinstance(said, str):
        return (), (Turn(role="user", parts=(Text(text=said),), path="input"),)
    system: list[Text] = []
    turns: list[Turn] = []
    for i, item in enumerate(said):
        turn = _read_item(item, f"input[{i}]", losses)
        if turn.role == "system" and not turns:
            system += [part for part in turn.parts if isinstance(part, Text)]
        elif turn.parts:
            turns.append(turn)
    return tuple(system), tuple(turns)


def _read_item(item: Json, path: str, losses: Losses) -> Turn:
    kind = item.get("type") or ("message" if "role" in item else "item_reference")
    known = _READERS.get(kind) if isinstance(kind, str) else None
    if known is None:
        message = (
            f"{path}: items of type {str(kind)[:100]!r} cannot be carried to this model; send the conversation itself"
        )
        raise refusal(f"{path}.type", message)
    schema, make = known
    return make(read(item, schema, path, losses), path, losses)


def _read_message(item: Message, path: str, losses: Losses) -> Turn:
    role = ROLES.get(item.role)
    if role is None:
        raise refusal(f"{path}.role", f"{path}.role must be user, assistant, system or developer")
    if item.phase is not None:
        losses.drop(f"{path}.phase")
    parts: tuple[Part, ...] = read_content(item.content, f"{path}.content", losses)
    if role == "system" and not all(isinstance(part, Text) for part in parts):
        losses.lose(f"{path}.content", "the system says words only; put the rest into a message of the user")
        parts = tuple(part for part in parts if isinstance(part, Text))
    return Turn(role=role, parts=parts, path=path)


def _read_call(item: FunctionCall, path: str, _: Losses) -> Turn:
    call = ToolCall(id=item.call_id, name=item.name, arguments=item.arguments)
    return Turn(role="assistant", parts=(call,), path=path)


def _read_custom_call(item: CustomCall, path: str, _: Losses) -> Turn:
    call = ToolCall(id=item.call_id, name=item.name, arguments=item.input, is_custom=True)
    return Turn(role="assistant", parts=(call,), path=path)


def _read_output(item: CallOutput, path: str, losses: Losses) -> Turn:
    parts = []
    for i, part in enumerate(read_content(item.output, f"{path}.output", losses)):
        if isinstance(part, Audio):
            raise refusal(f"{path}.output[{i}].type", f"{path}.output[{i}]: the output of a tool is no sound")
        parts.append(part)
    is_custom = item.type == "custom_tool_call_output"
    return Turn(
        role="user", parts=(ToolResult(call_id=item.call_id, parts=tuple(parts), is_custom=is_custom),), path=path
    )


def _read_reasoning(item: ReasoningItem, path: str, losses: Losses) -> Turn:
    """Thoughts without text and seal stand in a store that is not ours: nothing is left of them."""
    thoughts = item.content or item.summary or []
    if not item.encrypted_content:
        if not thoughts:
            losses.drop(path)
            return Turn(role="assistant", parts=(), path=path)
        sealed: dict[str, Any] = {}
    else:
        seal, maker = unwrap(item.encrypted_content, "openai")
        sealed = {"seal": seal, "sealed_by": maker, "is_redacted": not thoughts}
    text = "\n\n".join(thought.text for thought in thoughts)
    return Turn(role="assistant", parts=(Thinking(text=text, id=item.id or "", **sealed),), path=path)


_READERS: Mapping[str, tuple[type[Struct], Callable[[Any, str, Losses], Turn]]] = {
    "message": (Message, _read_message),
    "function_call": (FunctionCall, _read_call),
    "function_call_output": (CallOutput, _read_output),
    "custom_tool_call": (CustomCall, _read_custom_call),
    "custom_tool_call_output": (CallOutput, _read_output),
    "reasoning": (ReasoningItem, _read_reasoning),
}
