"""The official SDKs as clients of any model: each asks the same things in its own dialect, and tells what it got in the same words.

Streams go through the SDK's own accumulator, which is how its users read them.
"""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import anthropic
import openai

Members = dict[str, Any]
Hook = Callable[[Any], Awaitable[None]]  # is given each response before its body

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
TOOL = {"name": "weather", "description": "The weather of a city."}
QUESTION = "What is the weather like?"
RESULT = "sunny"
BOUND = 4_096  # tokens, which Anthropic's clients have to say


@dataclass(frozen=True)
class ToolCall:
    id: str
    name: str
    arguments: Any


@dataclass(frozen=True)
class Got:
    """An answer: what was said, thought and called, why it stopped (in Chat Completions' words), tokens in and out, and what the
    client would send back as the assistant's turn."""

    text: str = ""
    thinking: str = ""
    calls: Sequence[ToolCall] = ()
    stop: str = ""
    usage: tuple[int, int] = (0, 0)
    turn: Sequence[Any] = field(default=(), repr=False)


class ChatClient:
    """OpenAI's SDK on Chat Completions."""

    name = "openai SDK, chat"
    features: Mapping[str, Members] = {
        "text": {},
        "tools": {"tools": [{"type": "function", "function": {**TOOL, "parameters": SCHEMA}}]},
        "images": {},
        "structured": {"response_format": {"type": "json_schema", "json_schema": {"name": "trip", "schema": SCHEMA}}},
        "thinking": {
            "tools": [{"type": "function", "function": {**TOOL, "parameters": SCHEMA}}],
            "reasoning_effort": "low",
        },
    }

    def __init__(self, url: str, key: str) -> None:
        self._sdk = openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)

    def watch(self, hook: Hook) -> None:
        self._sdk._client.event_hooks = {"response": [hook]}

    def begin(self, model: str, feature: str) -> Members:
        content: Any = QUESTION
        if feature == "images":
            image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
            content = [{"type": "text", "text": QUESTION}, image]
        return {"model": model, "messages": [{"role": "user", "content": content}], **self.features[feature]}

    def go_on(self, members: Members, got: Got) -> Members:
        results = [{"role": "tool", "tool_call_id": call.id, "content": RESULT} for call in got.calls]
        return members | {"messages": [*members["messages"], *got.turn, *results]}

    async def ask(self, members: Members, *, stream: bool) -> Got:
        if stream:
            async with self._sdk.chat.completions.stream(**members, stream_options={"include_usage": True}) as events:
                async for _ in events:
                    pass
                answer: Any = await events.get_final_completion()
        else:
            answer = await self._sdk.chat.completions.create(**members)
        (choice,) = answer.choices
        message = choice.message
        return Got(
            text=message.content or "",
            thinking=getattr(message, "reasoning_content", None) or "",
            calls=[
                ToolCall(call.id, call.function.name, json.loads(call.function.arguments))
                for call in message.tool_calls or ()
            ],
            stop=choice.finish_reason,
            usage=(answer.usage.prompt_tokens, answer.usage.completion_tokens),
            turn=[
                message.model_dump(exclude_none=True, exclude={"parsed": True, "tool_calls": {"__all__": {"index"}}})
            ],
        )

    async def close(self) -> None:
        await self._sdk.close()


class ResponsesClient:
    """OpenAI's SDK on Responses."""

    name = "openai SDK, responses"
    features: Mapping[str, Members] = {
        "text": {},
        "tools": {"tools": [{"type": "function", **TOOL, "parameters": SCHEMA, "strict": True}]},
        "images": {},
        "structured": {"text": {"format": {"type": "json_schema", "name": "trip", "schema": SCHEMA}}},
        "thinking": {
            "tools": [{"type": "function", **TOOL, "parameters": SCHEMA, "strict": True}],
            "reasoning": {"effort": "low", "summary": "auto"},
            "include": ["reasoning.encrypted_content"],
        },
    }

    def __init__(self, url: str, key: str) -> None:
        self._sdk = openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)

    def watch(self, hook: Hook) -> None:
        self._sdk._client.event_hooks = {"response": [hook]}

    def begin(self, model: str, feature: str) -> Members:
        parts = [{"type": "input_text", "text": QUESTION}]
        if feature == "images":
            parts.append({"type": "input_image", "detail": "auto", "image_url": f"data:image/png;base64,{PIXEL}"})
        return {"model": model, "store": False, "input": [{"role": "user", "content": parts}], **self.features[feature]}

    def go_on(self, members: Members, got: Got) -> Members:
        results = [{"type": "function_call_output", "call_id": call.id, "output": RESULT} for call in got.calls]
        return members | {"input": [*members["input"], *got.turn, *results]}

    async def ask(self, members: Members, *, stream: bool) -> Got:
        if stream:
            async with self._sdk.responses.stream(**members) as events:
                async for _ in events:
                    pass
                answer: Any = await events.get_final_response()
        else:
            answer = await self._sdk.responses.create(**members)
        calls = [
            ToolCall(item.call_id, item.name, json.loads(item.arguments))
            for item in answer.output
            if item.type == "function_call"
        ]
        reason = answer.incomplete_details.reason if answer.incomplete_details else None
        stops = {"max_output_tokens": "length", "content_filter": "content_filter"}
        thoughts = [part.text for item in answer.output if item.type == "reasoning" for part in item.summary]
        return Got(
            text=answer.output_text,
            thinking="".join(thoughts),
            calls=calls,
            stop=stops[reason] if reason else ("tool_calls" if calls else "stop"),
            usage=(answer.usage.input_tokens, answer.usage.output_tokens),
            turn=[
                item.model_dump(
                    exclude_none=True, exclude={"parsed_arguments": True, "content": {"__all__": {"parsed"}}}
                )
                for item in answer.output
            ],
        )

    async def close(self) -> None:
        await self._sdk.close()


class MessagesClient:
    """Anthropic's SDK."""

    name = "anthropic SDK"
    features: Mapping[str, Members] = {
        "text": {},
        "tools": {"tools": [{**TOOL, "input_schema": SCHEMA}]},
        "images": {},
        "structured": {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
        "thinking": {
            "tools": [{**TOOL, "input_schema": SCHEMA}],
            "thinking": {"type": "enabled", "budget_tokens": 1_024},
        },
    }
    stops: Mapping[str, str] = {
        "end_turn": "stop",
        "stop_sequence": "stop",
        "max_tokens": "length",
        "tool_use": "tool_calls",
        "refusal": "content_filter",
    }

    def __init__(self, url: str, key: str) -> None:
        self._sdk = anthropic.AsyncAnthropic(base_url=url, api_key=key, max_retries=0)

    def watch(self, hook: Hook) -> None:
        self._sdk._client.event_hooks = {"response": [hook]}

    def begin(self, model: str, feature: str) -> Members:
        content: Any = QUESTION
        if feature == "images":
            source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
            content = [{"type": "text", "text": QUESTION}, {"type": "image", "source": source}]
        messages = [{"role": "user", "content": content}]
        return {"model": model, "max_tokens": BOUND, "messages": messages, **self.features[feature]}

    def go_on(self, members: Members, got: Got) -> Members:
        results = [{"type": "tool_result", "tool_use_id": call.id, "content": RESULT} for call in got.calls]
        turns = [{"role": "assistant", "content": list(got.turn)}, {"role": "user", "content": results}]
        return members | {"messages": [*members["messages"], *turns]}

    async def ask(self, members: Members, *, stream: bool) -> Got:
        if stream:
            async with self._sdk.messages.stream(**members) as events:
                async for _ in events:
                    pass
                answer: Any = await events.get_final_message()
        else:
            answer = await self._sdk.messages.create(**members)
        usage = answer.usage
        cached = (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)
        return Got(
            text="".join(block.text for block in answer.content if block.type == "text"),
            thinking="".join(block.thinking for block in answer.content if block.type == "thinking"),
            calls=[ToolCall(block.id, block.name, block.input) for block in answer.content if block.type == "tool_use"],
            stop=self.stops[answer.stop_reason],
            usage=(usage.input_tokens + cached, usage.output_tokens),
            turn=[block.model_dump(exclude_none=True, exclude={"parsed_output"}) for block in answer.content],
        )

    async def close(self) -> None:
        await self._sdk.close()


SdkClient = ChatClient | ResponsesClient | MessagesClient
CLIENTS: dict[str, Callable[[str, str], SdkClient]] = {
    client.name: client for client in (ChatClient, ResponsesClient, MessagesClient)
}
