"""What a request of Messages asks."""

from collections.abc import Iterable
from typing import Any

from fake_provider import media
from fake_provider.exchange import Exchange
from fake_provider.question import Question, Tool

CHOICES = {"any": "required"}


def blocks_of(message: dict[str, Any]) -> list[dict[str, Any]]:
    """A message's content as blocks, whichever form it has."""
    content = message.get("content")
    return [{"type": "text", "text": content}] if isinstance(content, str) else content or []


def read(exchange: Exchange) -> Question:
    document = exchange.document
    choice = document.get("tool_choice") or {"type": "auto"}
    shape = (document.get("output_config") or {}).get("format") or {}
    messages = document.get("messages") or []
    kind = choice["type"]
    return Question(
        tools=[
            Tool(name=tool["name"], schema=tool.get("input_schema"))
            for tool in document.get("tools") or ()
            if tool.get("type") in {None, "custom"}
        ],
        choice=choice["name"] if kind == "tool" else CHOICES.get(kind, kind),
        is_parallel=not choice.get("disable_parallel_tool_use"),
        wants_json=bool(shape),
        schema=shape.get("schema"),
        thinks=(document.get("thinking") or {}).get("type") in {"enabled", "adaptive"},
        seen=list(_look(_last_turn(messages))),
        rounds=_rounds(messages),
        limit=document.get("max_tokens"),
        stops=document.get("stop_sequences") or [],
    )


def _last_turn(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What came behind the last assistant's message; all of it where that is a prefill."""
    if messages and messages[-1]["role"] == "assistant":
        messages = messages[:-1]
    return messages[max((at + 1 for at, one in enumerate(messages) if one["role"] == "assistant"), default=0) :]


def is_spoken(message: dict[str, Any]) -> bool:
    """Whether the user speaks in it, rather than only tools."""
    return message["role"] == "user" and not any(block["type"] == "tool_result" for block in blocks_of(message))


def _rounds(messages: list[dict[str, Any]]) -> int:
    start = max((at for at, message in enumerate(messages) if is_spoken(message)), default=0)
    return sum(any(block["type"] == "tool_use" for block in blocks_of(message)) for message in messages[start:])


def _look(messages: Iterable[dict[str, Any]]) -> Iterable[str]:
    for message in messages:
        for block in blocks_of(message):
            if block["type"] == "tool_result":
                inner = blocks_of(block)
                text = "".join(part.get("text", "") for part in inner)
                yield media.hear(text, block["tool_use_id"], is_error=bool(block.get("is_error")))
                yield from (seen for part in inner if (seen := _see(part)))
            elif seen := _see(block):
                yield seen


def _see(block: dict[str, Any]) -> str:
    if block["type"] not in {"image", "document"}:
        return ""
    source = block["source"]
    match source["type"]:
        case "base64":
            return media.see(source["media_type"], source["data"])
        case "url":
            return media.see_url(source["url"])
        case "text":
            return media.see_text(source["media_type"], source["data"])
        case "content":
            return media.see_text("blocks", "".join(part.get("text", "") for part in blocks_of(source)))
        case _:
            return f"[file {source.get('file_id')}]"
