"""What a request of Chat Completions asks."""

from collections.abc import Iterable
from typing import Any

from fake_provider import media
from fake_provider.exchange import Exchange
from fake_provider.question import Question, Tool


def read(exchange: Exchange) -> Question:
    document = exchange.document
    choice = document.get("tool_choice") or "auto"
    limit = document.get("max_completion_tokens") or document.get("max_tokens")
    stop = document.get("stop") or []
    shape = document.get("response_format") or {}
    messages = [message for message in document.get("messages") or () if isinstance(message, dict)]
    return Question(
        tools=[_tool(tool) for tool in document.get("tools") or ()],
        choice=_name(choice) if isinstance(choice, dict) else choice,
        is_parallel=document.get("parallel_tool_calls") is not False,
        wants_json=shape.get("type") in {"json_object", "json_schema"},
        schema=(shape.get("json_schema") or {}).get("schema"),
        thinks=document.get("reasoning_effort") not in {None, "none"},
        seen=list(_look(_last_turn(messages))),
        rounds=_rounds(messages),
        limit=limit,
        stops=[stop] if isinstance(stop, str) else stop,
    )


def _tool(tool: dict[str, Any]) -> Tool:
    if tool.get("type") == "custom":
        return Tool(name=tool["custom"]["name"], is_custom=True)
    return Tool(name=tool["function"]["name"], schema=tool["function"].get("parameters"))


def _name(choice: dict[str, Any]) -> str:
    if choice.get("type") == "allowed_tools":
        return str(choice["allowed_tools"]["mode"])
    return str(choice.get(choice["type"], {}).get("name"))


def _last_turn(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What came behind the last assistant's message."""
    start = max((at + 1 for at, message in enumerate(messages) if message["role"] == "assistant"), default=0)
    return messages[start:]


def _rounds(messages: list[dict[str, Any]]) -> int:
    start = max((at for at, message in enumerate(messages) if message["role"] == "user"), default=0)
    return sum(bool(message.get("tool_calls")) for message in messages[start:])


def _look(messages: Iterable[dict[str, Any]]) -> Iterable[str]:
    for message in messages:
        content = message.get("content")
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content or []
        if message["role"] == "tool":
            text = "".join(part.get("text", "") for part in parts)
            yield media.hear(text, message["tool_call_id"])
        else:
            yield from (seen for part in parts if (seen := _see(part)))


def _see(part: dict[str, Any]) -> str:
    match part["type"]:
        case "image_url":
            return media.see_url(part["image_url"]["url"])
        case "input_audio":
            return media.see(f"audio/{part['input_audio']['format']}", part["input_audio"]["data"])
        case "file" if "file_data" in part["file"]:
            return media.see_url(part["file"]["file_data"])
        case "file":
            return f"[file {part['file'].get('file_id')}]"
        case _:
            return ""
