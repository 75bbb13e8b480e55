"""Anthropic's message document as an OpenAI chat completion."""

import msgspec

from provider_svc.anthropic.answer import failure, finish_reason, invalid, read, refusal_text
from provider_svc.anthropic.content import Json
from provider_svc.anthropic.schema import Block, Message, Named
from provider_svc.anthropic.usage import count, usage_block
from provider_svc.provider import Meter

_NAMED = msgspec.json.Decoder(Named)
_MESSAGE = msgspec.json.Decoder(Message)


def chat_completion(body: bytes, *, created: int, meter: Meter) -> bytes:
    """The completion's JSON; `created` is in seconds since the epoch. Fills `meter`.

    Raises PROVIDER_INVALID_ANSWER, or what an error document in a 200 says.
    """
    if read(body, _NAMED).type == "error":
        raise failure(body)
    message = read(body, _MESSAGE)
    if message.stop_reason is None:
        raise invalid("answered without saying why it stopped")
    meter.usage = count(meter.usage, message.usage)
    meter.finish_reason = finish_reason(message.stop_reason)
    choice = {"index": 0, "message": _said(message), "logprobs": None, "finish_reason": meter.finish_reason}
    return msgspec.json.encode(_completion(message, created, choice, meter))


def _completion(message: Message, created: int, choice: Json, meter: Meter) -> Json:
    completion: Json = {
        "id": message.id,
        "object": "chat.completion",
        "created": created,
        "model": message.model,
        "choices": [choice],
    }
    return completion if meter.usage is None else completion | {"usage": usage_block(meter.usage)}


def _said(message: Message) -> Json:
    """The assistant's message. `reasoning_content` is DeepSeek's name for thinking, which clients know."""
    said: Json = {
        "role": "assistant",
        "content": "".join(block.text for block in message.content if block.type == "text") or None,
        "refusal": refusal_text(message.stop_reason, message.stop_details),
    }
    if thinking := "".join(block.thinking for block in message.content if block.type == "thinking"):
        said["reasoning_content"] = thinking
    if calls := [_tool_call(block) for block in message.content if block.type == "tool_use"]:
        said["tool_calls"] = calls
    return said


def _tool_call(block: Block) -> Json:
    arguments = msgspec.json.encode(block.input).decode()
    return {"id": block.id, "type": "function", "function": {"name": block.name, "arguments": arguments}}
