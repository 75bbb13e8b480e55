"""OpenAI's messages as Anthropic's: one system prompt beside turns of user and assistant."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from provider_svc.anthropic.chat_schema import ChatMessage, ToolCall
from provider_svc.anthropic.content import Json, content_blocks, text_blocks
from provider_svc.anthropic.members import UNREADABLE, refusal


@dataclass(slots=True)
class Conversation:
    """`system` and `messages` of a messages body, as it grows. Neighbours of one role become one turn."""

    system: list[Json] = field(default_factory=list)
    turns: list[Json] = field(default_factory=list)

    def say(self, role: str, blocks: list[Json], path: str) -> None:
        """Adds to the last turn when it is `role`'s, else begins one; an empty one is refused, as Anthropic would."""
        if not blocks:
            raise refusal(f"{path}.content", "Anthropic takes no empty message")
        if self.turns and self.turns[-1]["role"] == role:
            self.turns[-1]["content"].extend(blocks)
        else:
            self.turns.append({"role": role, "content": blocks})


def read_conversation(messages: Sequence[ChatMessage]) -> Conversation:
    """The conversation. System and developer messages, wherever they stand, go to the system prompt in their order.

    Raises INVALID_REQUEST with the message's path for what cannot be said to Anthropic.
    """
    conversation = Conversation()
    for i, message in enumerate(messages):
        _add(conversation, message, f"messages[{i}]")
    if not conversation.turns:
        raise refusal("messages", "Anthropic needs at least one message besides system ones")
    return conversation


def _add(conversation: Conversation, message: ChatMessage, path: str) -> None:
    speak = _ROLES.get(message.role)
    if speak is None:
        raise refusal(f"{path}.role", f"Anthropic's messages have no counterpart of the role {message.role}")
    if message.name is not None and message.role != "tool":
        raise refusal(f"{path}.name", "Anthropic's messages cannot name a speaker; say it in the text")
    for legacy in ("audio", "function_call"):
        if getattr(message, legacy) is not None:
            raise refusal(f"{path}.{legacy}", f"{legacy} cannot be carried in Anthropic's messages")
    speak(conversation, message, path)


def _system(conversation: Conversation, message: ChatMessage, path: str) -> None:
    blocks = content_blocks(message.content, f"{path}.content")
    if any(block["type"] != "text" for block in blocks):
        raise refusal(f"{path}.content", "a system prompt is text")
    conversation.system.extend(blocks)


def _user(conversation: Conversation, message: ChatMessage, path: str) -> None:
    conversation.say("user", content_blocks(message.content, f"{path}.content"), path)


def _assistant(conversation: Conversation, message: ChatMessage, path: str) -> None:
    said = content_blocks(message.content, f"{path}.content") + text_blocks(message.refusal)
    called = [_tool_use(call, f"{path}.tool_calls[{i}]") for i, call in enumerate(message.tool_calls or ())]
    conversation.say("assistant", said + called, path)


def _tool_use(call: ToolCall, path: str) -> Json:
    if call.function is None:
        raise refusal(f"{path}.type", f"Anthropic has no counterpart of tool calls of type {call.type}")
    arguments = _arguments(call.function.arguments, f"{path}.function.arguments")
    return {"type": "tool_use", "id": call.id, "name": call.function.name, "input": arguments}


def _arguments(text: str, path: str) -> Json:
    """The object that `text` says; nothing said is a call without arguments."""
    try:
        return msgspec.json.decode(text, type=Json) if text.strip() else {}
    except UNREADABLE as wrong:
        raise refusal(path, f"a tool call's arguments must be a JSON object: {wrong}") from wrong


def _tool(conversation: Conversation, message: ChatMessage, path: str) -> None:
    if message.tool_call_id is None:
        raise refusal(f"{path}.tool_call_id", "a tool message must say which call it answers")
    result: Json = {"type": "tool_result", "tool_use_id": message.tool_call_id}
    blocks = content_blocks(message.content, f"{path}.content")
    conversation.say("user", [result | {"content": blocks} if blocks else result], path)


_ROLES: Mapping[str, Callable[[Conversation, ChatMessage, str], None]] = {
    "system": _system,
    "developer": _system,
    "user": _user,
    "assistant": _assistant,
    "tool": _tool,
}
