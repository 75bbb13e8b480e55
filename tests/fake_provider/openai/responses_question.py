"""What a request of Responses asks."""

from collections.abc import Iterable
from typing import Any

from fake_provider import media
from fake_provider.exchange import Exchange
from fake_provider.question import Question, Tool

CALLS = ("function_call", "custom_tool_call")
OUTPUTS = ("function_call_output", "custom_tool_call_output")
ASSISTANTS = (*CALLS, "reasoning")


def items_of(exchange: Exchange) -> list[dict[str, Any]]:
    """The whole conversation: what `previous_response_id` stands for, and the input."""
    given = exchange.document.get("input") or []
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given
    stored = exchange.memory.responses.get(str(exchange.document.get("previous_response_id")))
    return [*(stored.items if stored else []), *items]


def read(exchange: Exchange) -> Question:
    document, items = exchange.document, items_of(exchange)
    choice = document.get("tool_choice") or "auto"
    shape = (document.get("text") or {}).get("format") or {}
    return Question(
        tools=[_tool(tool) for tool in document.get("tools") or () if tool.get("type") in {"function", "custom"}],
        choice=_name(choice) if isinstance(choice, dict) else choice,
        is_parallel=document.get("parallel_tool_calls") is not False,
        wants_json=shape.get("type") in {"json_object", "json_schema"},
        schema=shape.get("schema"),
        thinks=(document.get("reasoning") or {}).get("effort") not in {None, "none"},
        seen=list(_look(_last_turn(items))),
        rounds=_rounds(items),
        limit=document.get("max_output_tokens"),
    )


def _tool(tool: dict[str, Any]) -> Tool:
    return Tool(name=tool["name"], schema=tool.get("parameters"), is_custom=tool["type"] == "custom")


def _name(choice: dict[str, Any]) -> str:
    return str(choice["mode"] if choice.get("type") == "allowed_tools" else choice.get("name", "required"))


def _is_assistants(item: dict[str, Any]) -> bool:
    return item.get("role") == "assistant" or item.get("type") in ASSISTANTS


def _last_turn(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What came behind the last item of the assistant."""
    return items[max((at + 1 for at, item in enumerate(items) if _is_assistants(item)), default=0) :]


def _rounds(items: list[dict[str, Any]]) -> int:
    """Runs of calls since the user last spoke: calls that stand together are one round."""
    start = max((at for at, item in enumerate(items) if item.get("role") == "user"), default=0)
    are_calls = [item.get("type") in CALLS for item in items[start:]]
    return sum(is_call and not before for before, is_call in zip([False, *are_calls], are_calls, strict=False))


def _look(items: Iterable[dict[str, Any]]) -> Iterable[str]:
    for item in items:
        if item.get("type") in OUTPUTS:
            output = item["output"]
            parts = [] if isinstance(output, str) else output
            text = output if isinstance(output, str) else "".join(part.get("text", "") for part in parts)
            yield media.hear(text, item["call_id"])
        else:
            parts = item["content"] if isinstance(item.get("content"), list) else []
        yield from (seen for part in parts if (seen := _see(part)))


def _see(part: dict[str, Any]) -> str:
    match part.get("type"):
        case "input_image" | "input_file" if (
            url := part.get("image_url") or part.get("file_data") or part.get("file_url")
        ):
            return media.see_url(url)
        case "input_image" | "input_file":
            return f"[file {part.get('file_id')}]"
        case "input_audio":
            return media.see(f"audio/{part['input_audio']['format']}", part["input_audio"]["data"])
        case _:
            return ""
