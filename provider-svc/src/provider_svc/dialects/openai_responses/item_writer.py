"""A conversation as the items of `input`."""

from collections.abc import Iterable, Mapping

from provider_svc.dialects.losses import Losses
from provider_svc.dialects.openai_responses.parts import write_part, write_said
from provider_svc.dialects.prompt import Audio, Document, Image, Json, Role, Text, Thinking, ToolCall, ToolResult, Turn

# A system turn in the middle of a conversation is the developer's to OpenAI.
ROLES: Mapping[Role, str] = {"user": "user", "assistant": "assistant", "system": "developer"}


def write_input(turns: Iterable[Turn], losses: Losses) -> list[Json]:
    """The items of a conversation, in its order."""
    return [item for turn in turns for item in _write_turn(turn, losses)]


def _write_turn(turn: Turn, losses: Losses) -> Iterable[Json]:
    """Words, pictures and files that stand together make one message; everything else is an item of its own."""
    if turn.name is not None:
        losses.lose(f"{turn.path}.name", "OpenAI's Responses know no names of speakers; put it into the text")
    content: list[Json] = []
    for part in turn.parts:
        if isinstance(part, Text | Image | Document | Audio):
            write = write_said if turn.role == "assistant" else write_part
            if (written := write(part, turn.path, losses)) is not None:
                content.append(written)
        elif (item := _write_item(part, turn.path, losses)) is not None:
            if content:
                yield _message(turn.role, content)
                content = []
            yield item
    if content:
        yield _message(turn.role, content)


def _message(role: Role, content: list[Json]) -> Json:
    return {"type": "message", "role": ROLES[role], "content": content}


def _write_item(part: Thinking | ToolCall | ToolResult, path: str, losses: Losses) -> Json | None:
    if isinstance(part, Thinking):
        return _write_thinking(part, path, losses)
    if part.cache is not None:
        losses.drop(f"{path}.cache_control")
    return _write_call(part) if isinstance(part, ToolCall) else _write_result(part, path, losses)


def _write_thinking(part: Thinking, path: str, losses: Losses) -> Json | None:
    """OpenAI takes back what it sealed itself; where it knows the item's id it wants the one that it gave."""
    if part.sealed_by != "openai" or not part.seal:
        losses.drop(f"{path}.thinking")
        return None
    item: Json = {
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": part.text}] if part.text else [],
        "encrypted_content": part.seal,
    }
    return {**item, "id": part.id} if part.id else item


def _write_call(call: ToolCall) -> Json:
    if call.is_custom:
        return {"type": "custom_tool_call", "call_id": call.id, "name": call.name, "input": call.arguments}
    return {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": call.arguments or "{}"}


def _write_result(result: ToolResult, path: str, losses: Losses) -> Json:
    """That a tool failed is for its own words to say: OpenAI has none for it."""
    if result.is_error:
        losses.drop(f"{path}.is_error")
    kind = "custom_tool_call_output" if result.is_custom else "function_call_output"
    return {"type": kind, "call_id": result.call_id, "output": _write_output(result, path, losses)}


def _write_output(result: ToolResult, path: str, losses: Losses) -> str | list[Json]:
    match result.parts:
        case ():
            return ""
        case (Text(text=text, cache=None),):
            return text
    written = (write_part(part, path, losses) for part in result.parts)
    return [part for part in written if part is not None]
