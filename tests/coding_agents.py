"""Coding agents in the style of the well-known ones: 200 KB of instructions, tools and history, and loops of tools that go on with what the
model thought and what the tools gave: texts, errors and pictures. Each speaks through the official SDK of its dialect."""

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from typing import Any

from sdk_clients import PIXEL, ChatClient, Got, Members, MessagesClient, ResponsesClient

TOOLS = 40
TURNS = 30
ROUNDS = 5
PROSE = 'Read the file before you change it; say what you did, naïvely and in short words. 水 \\ "quoted" \n\t- and so on.\n'
MARK = {"type": "ephemeral"}
TASK = "Now make the tests pass."
PATCH_GRAMMAR = 'start: "*** Begin Patch" /(.|\\n)*/ "*** End Patch"'


def pad(size: int) -> str:
    """So many characters of instructions."""
    return (PROSE * (size // len(PROSE) + 1))[:size]


def schema_of(number: int) -> Members:
    """A tool's parameters, as deep as agents have them."""
    edit = {
        "type": "object",
        "properties": {"old": {"type": "string", "description": pad(300)}, "new": {"type": "string"}},
        "required": ["old", "new"],
        "additionalProperties": False,
    }
    path = {"type": "string", "description": f"The path, of tool {number}."}
    return {
        "type": "object",
        "properties": {"path": path, "edits": {"type": "array", "items": edit}},
        "required": ["path", "edits"],
        "additionalProperties": False,
    }


def names() -> Iterator[tuple[int, str]]:
    return ((number, f"tool_{number}") for number in range(TOOLS))


class ClaudeCode(MessagesClient):
    """Anthropic's: marks for the prompt cache on the system prompt, the tools and the last turn, thinking, beta headers."""

    agent = "Claude Code"
    thinks: Mapping[str, Any] = {"thinking": {"type": "enabled", "budget_tokens": 8_000}}
    headers: Mapping[str, str] = {
        "anthropic-beta": "claude-code-20250219,interleaved-thinking-2025-05-14,fine-grained-tool-streaming-2025-05-14"
    }

    def begin(self, model: str, feature: str = "") -> Members:
        tools: list[Members] = [
            {"name": name, "description": pad(1_500), "input_schema": schema_of(number)} for number, name in names()
        ]
        tools[-1]["cache_control"] = MARK
        system = [
            {"type": "text", "text": "You are an agent."},
            {"type": "text", "text": pad(20_000), "cache_control": MARK},
        ]
        return {
            "model": model,
            "max_tokens": 32_000,
            "system": system,
            "tools": tools,
            "messages": [
                *self._history(),
                {"role": "user", "content": [{"type": "text", "text": TASK, "cache_control": MARK}]},
            ],
            **self.thinks,
            "metadata": {"user_id": "user_1_account__session_2"},
            "extra_headers": self.headers,
            "extra_query": {"beta": "true"},
        }

    def _history(self) -> Iterator[Members]:
        yield {"role": "user", "content": [{"type": "text", "text": "Look around."}]}
        for turn in range(TURNS // 2):
            call = {
                "type": "tool_use",
                "id": f"toolu_history{turn}",
                "name": f"tool_{turn}",
                "input": {"path": "a", "edits": []},
            }
            yield {"role": "assistant", "content": [{"type": "text", "text": "I look."}, call]}
            yield {"role": "user", "content": [give(call["id"], turn, pad(4_500))]}
        yield {"role": "assistant", "content": [{"type": "text", "text": "That is all."}]}

    def go_on(self, members: Members, got: Got) -> Members:
        *earlier, last = members["messages"]
        results = [give(call.id, number, f"result {number}") for number, call in enumerate(got.calls)]
        results[-1]["cache_control"] = MARK
        turns = [{"role": "assistant", "content": list(got.turn)}, {"role": "user", "content": results}]
        return members | {"messages": [*map(unmark, earlier), last, *turns]}


class AdaptiveClaudeCode(ClaudeCode):
    agent = "Claude Code, adaptive"
    thinks: Mapping[str, Any] = {"thinking": {"type": "adaptive"}, "output_config": {"effort": "medium"}}


def give(call_id: str, number: int, text: str) -> Members:
    """A result: in turn a text, an error, and a picture beside a text."""
    parts: list[Members] = [{"type": "text", "text": text}]
    if number % 3 == 2:
        parts.append({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}})
    failed = {"is_error": True} if number % 3 == 1 else {}
    return {"type": "tool_result", "tool_use_id": call_id, "content": parts, **failed}


def unmark(message: Members) -> Members:
    """Without marks: agents move theirs on, so that the last two turns have them."""
    blocks = [{name: value for name, value in block.items() if name != "cache_control"} for block in message["content"]]
    return message | {"content": blocks}


class Codex(ResponsesClient):
    """OpenAI's: nothing is stored, thoughts travel encrypted and without ids; functions and a custom tool."""

    agent = "Codex"

    def begin(self, model: str, feature: str = "") -> Members:
        tools: list[Members] = [
            {
                "type": "function",
                "name": name,
                "description": pad(1_500),
                "parameters": schema_of(number),
                "strict": False,
            }
            for number, name in names()
        ]
        patch = {"type": "grammar", "syntax": "lark", "definition": PATCH_GRAMMAR}
        return {
            "model": model,
            "instructions": pad(20_000),
            "input": [
                *self._history(),
                {"type": "message", "role": "user", "content": [{"type": "input_text", "text": TASK}]},
            ],
            "tools": [
                {"type": "custom", "name": "apply_patch", "description": "Edits files.", "format": patch},
                *tools,
            ],
            "tool_choice": "auto",
            "parallel_tool_calls": True,
            "reasoning": {"effort": "medium", "summary": "auto"},
            "store": False,
            "include": ["reasoning.encrypted_content"],
            "prompt_cache_key": "0193-session",
        }

    def _history(self) -> Iterator[Members]:
        yield {
            "type": "message",
            "role": "developer",
            "content": [{"type": "input_text", "text": "<permissions>all</permissions>"}],
        }
        yield {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Look around."}]}
        for turn in range(TURNS // 2):
            call_id, arguments = f"call_history{turn}", json.dumps({"path": "a", "edits": []})
            yield {"type": "function_call", "name": f"tool_{turn}", "arguments": arguments, "call_id": call_id}
            yield {"type": "function_call_output", "call_id": call_id, "output": pad(4_500)}
        yield {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "That is all."}]}

    def go_on(self, members: Members, got: Got) -> Members:
        items = [strip(item) for item in got.turn]
        numbers = count()
        results = [
            {"type": f"{item['type']}_output", "call_id": item["call_id"], "output": show(next(numbers))}
            for item in items
            if item["type"] in {"function_call", "custom_tool_call"}
        ]
        return members | {"input": [*members["input"], *items, *results]}


def strip(item: Members) -> Members:
    """As Codex sends it back: without what names it."""
    return {name: value for name, value in item.items() if name not in {"id", "status"} and value is not None}


def show(number: int) -> Any:
    """A tool's output: in turn a text, and a picture beside one."""
    if not number % 2:
        return f"result {number}"
    picture = {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}", "detail": "auto"}
    return [{"type": "input_text", "text": f"result {number}"}, picture]


class ChatAgent(ChatClient):
    """One that speaks Chat Completions as LiteLLM extends them: marks for the cache, and thinking that goes along."""

    agent = "chat agent"

    def begin(self, model: str, feature: str = "") -> Members:
        tools: list[Members] = [
            {"type": "function", "function": {"name": name, "description": pad(1_500), "parameters": schema_of(number)}}
            for number, name in names()
        ]
        tools[-1]["cache_control"] = MARK
        system = {"role": "system", "content": [{"type": "text", "text": pad(20_000), "cache_control": MARK}]}
        task = {"role": "user", "content": [{"type": "text", "text": TASK, "cache_control": MARK}]}
        return {
            "model": model,
            "messages": [system, *self._history(), task],
            "tools": tools,
            "max_tokens": 32_000,
            "reasoning_effort": "medium",
        }

    def _history(self) -> Iterator[Members]:
        yield {"role": "user", "content": "Look around."}
        for turn in range(TURNS // 2):
            function = {"name": f"tool_{turn}", "arguments": json.dumps({"path": "a", "edits": []})}
            call = {"id": f"call_history{turn}", "type": "function", "function": function}
            yield {"role": "assistant", "content": None, "tool_calls": [call]}
            yield {"role": "tool", "tool_call_id": call["id"], "content": pad(4_500)}
        yield {"role": "assistant", "content": "That is all."}

    def go_on(self, members: Members, got: Got) -> Members:
        results = [
            {"role": "tool", "tool_call_id": call.id, "content": f"result {number}"}
            for number, call in enumerate(got.calls)
        ]
        return members | {"messages": [*members["messages"], *got.turn, *results]}


Agent = ClaudeCode | Codex | ChatAgent
AGENTS: dict[str, type[Agent]] = {agent.agent: agent for agent in (ClaudeCode, AdaptiveClaudeCode, Codex, ChatAgent)}


def list_ids(turn: Iterable[Members]) -> list[str]:
    """Of the calls in an assistant's turn, in any dialect."""
    ids = []
    for item in turn:
        ids += [call["id"] for call in item.get("tool_calls") or ()]
        if item.get("type") in {"tool_use", "function_call", "custom_tool_call"}:
            ids.append(item.get("call_id") or item["id"])
    return ids
