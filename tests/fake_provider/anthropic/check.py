"""What Messages refuses, as far as a gateway could be at fault."""

import re
from typing import Any

from fake_provider.anthropic.question import blocks_of
from fake_provider.anthropic.thinking_check import check_thinking
from fake_provider.exchange import Exchange
from fake_provider.refusal import FUNCTION_NAME, Refusal, demand, unknown

MEMBERS = frozenset(
    [
        "cache_control",
        "container",
        "context_management",
        "diagnostics",
        "inference_geo",
        "max_tokens",
        "mcp_servers",
        "messages",
        "metadata",
        "model",
        "output_config",
        "service_tier",
        "speed",
        "stop_sequences",
        "stream",
        "system",
        "temperature",
        "thinking",
        "tool_choice",
        "tools",
        "top_k",
        "top_p",
        "user_profile_id",
        "workspace_id",
    ]
)
COUNT_MEMBERS = frozenset(
    [
        "cache_control",
        "context_management",
        "mcp_servers",
        "messages",
        "model",
        "output_config",
        "speed",
        "system",
        "thinking",
        "tool_choice",
        "tools",
        "user_profile_id",
        "workspace_id",
    ]
)
# The members of the blocks that a translation writes; others are taken as they come.
BLOCKS = {
    "text": {"type", "text", "cache_control", "citations"},
    "image": {"type", "source", "cache_control", "transformations"},
    "document": {"type", "source", "cache_control", "citations", "context", "title"},
    "tool_use": {"type", "id", "name", "input", "cache_control", "caller", "toolset_name"},
    "tool_result": {"type", "tool_use_id", "content", "is_error", "cache_control", "toolset_name"},
    "thinking": {"type", "thinking", "signature"},
    "redacted_thinking": {"type", "data"},
}
OF_ROLE = {
    "user": {"text", "image", "document", "tool_result", "search_result", "container_upload"},
    "assistant": {"text", "tool_use", "thinking", "redacted_thinking"},
    "system": {"text"},
}
PICTURES = {"image/jpeg", "image/png", "image/gif", "image/webp"}
CALL_ID = re.compile(r"[a-zA-Z0-9_-]+")
MOST_MARKS = 4


def check(exchange: Exchange) -> None:
    document = exchange.document
    _check_envelope(exchange, MEMBERS)
    limit = document.get("max_tokens")
    demand(limit is not None, "max_tokens: Field required")
    demand(isinstance(limit, int) and limit >= 1, "max_tokens: Input should be greater than or equal to 1")
    for name in ("temperature", "top_p"):
        value = document.get(name)
        demand(value is None or 0 <= value <= 1, f"{name}: range: 0..1")
    demand(isinstance(document.get("stop_sequences", []), list), "stop_sequences: Input should be a valid array")
    for number, stop in enumerate(document.get("stop_sequences") or ()):
        demand(stop.strip(), f"stop_sequences.{number}: each stop sequence must contain non-whitespace")


def check_count(exchange: Exchange) -> None:
    _check_envelope(exchange, COUNT_MEMBERS)


def _check_envelope(exchange: Exchange, members: frozenset[str]) -> None:
    """What Messages and counting have in common."""
    document = exchange.document
    demand("anthropic-version" in exchange.headers, "anthropic-version: header is required")
    if name := unknown(document, members):
        raise Refusal(f"{name}: Extra inputs are not permitted")
    demand(exchange.model, "model: Field required")
    messages = document.get("messages")
    demand(isinstance(messages, list), "messages: Field required")
    demand(messages, "messages: at least one message is required")
    assert isinstance(messages, list)
    _check_system(document.get("system"))
    for number, message in enumerate(messages):
        _check_message(message, f"messages.{number}", is_last=number == len(messages) - 1)
    demand(messages[0]["role"] != "assistant", 'messages: first message must use the "user" role')
    _check_order(messages)
    _check_tools(document)
    check_thinking(document)
    _check_marks(document)


def _check_system(system: Any) -> None:
    demand(system is None or isinstance(system, str | list), "system: Input should be a valid array")
    for number, block in enumerate(system if isinstance(system, list) else ()):
        _check_block(block, f"system.{number}", {"text"})


def _check_message(message: dict[str, Any], path: str, *, is_last: bool) -> None:
    if name := unknown(message, {"role", "content"}):
        raise Refusal(f"{path}.{name}: Extra inputs are not permitted")
    role = message.get("role")
    demand(role in OF_ROLE, f"{path}.role: Input should be 'user' or 'assistant'")
    demand(isinstance(message.get("content"), str | list), f"{path}.content: Field required")
    is_prefill = is_last and role == "assistant"
    empty = f"{path}: all messages must have non-empty content except for the optional final assistant message"
    demand(message["content"] or is_prefill, empty)
    if isinstance(message["content"], list):
        for number, block in enumerate(message["content"]):
            _check_block(block, f"{path}.content.{number}", OF_ROLE[str(role)])
    last = blocks_of(message)[-1:] if is_prefill else []
    trailing = last and last[0].get("text", "") != last[0].get("text", "").rstrip()
    demand(not trailing, "messages: final assistant content cannot end with trailing whitespace")


def _check_block(block: dict[str, Any], path: str, kinds: set[str]) -> None:
    kind = block.get("type")
    tags = ", ".join(f"'{known}'" for known in sorted(kinds))
    demand(
        kind in kinds, f"{path}: Input tag '{kind}' found using 'type' does not match any of the expected tags: {tags}"
    )
    if kind in BLOCKS and (name := unknown(block, BLOCKS[kind])):
        raise Refusal(f"{path}.{kind}.{name}: Extra inputs are not permitted")
    match kind:
        case "text":
            demand(block.get("text"), "messages: text content blocks must be non-empty")
        case "image":
            source = block.get("source") or {}
            known = source.get("type") != "base64" or source.get("media_type") in PICTURES
            choices = ", ".join(f"'{each}'" for each in sorted(PICTURES))
            demand(known, f"{path}.image.source.base64.media_type: Input should be {choices}")
        case "tool_use":
            demand(
                CALL_ID.fullmatch(str(block.get("id"))),
                f"{path}.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'",
            )
            demand(isinstance(block.get("input"), dict), f"{path}.tool_use.input: Input should be a valid dictionary")
        case "tool_result":
            for number, part in enumerate(blocks_of(block)):
                _check_block(
                    part, f"{path}.tool_result.content.{number}", {"text", "image", "document", "search_result"}
                )


def _check_order(messages: list[dict[str, Any]]) -> None:
    """The message behind calls begins with the results of all of them, and results stand nowhere else."""
    calls: list[str] = []
    seen: set[str] = set()
    for number, message in enumerate(_joined(messages)):
        blocks = blocks_of(message)
        results = _leading_results(blocks)
        open_calls = [call for call in calls if call not in results]
        demand(
            not open_calls,
            f"messages.{number - 1}: `tool_use` ids were found without `tool_result` blocks immediately after: "
            f"{', '.join(open_calls)}. Each `tool_use` block must have a corresponding `tool_result` block in the next message.",
        )
        for block in blocks:
            known = block["type"] != "tool_result" or block.get("tool_use_id") in calls
            demand(
                known,
                f"messages.{number}.content: unexpected `tool_use_id` found in `tool_result` blocks: {block.get('tool_use_id')}. "
                "Each `tool_result` block must have a corresponding `tool_use` block in the previous message.",
            )
        calls = [block["id"] for block in blocks if block["type"] == "tool_use"]
        demand(not seen & set(calls) and len(set(calls)) == len(calls), "messages: `tool_use` ids must be unique")
        seen |= set(calls)
    demand(
        not calls,
        f"messages: `tool_use` ids were found without `tool_result` blocks immediately after: {', '.join(calls)}. "
        "Each `tool_use` block must have a corresponding `tool_result` block in the next message.",
    )


def _joined(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Neighbours of one role are one turn."""
    turns: list[dict[str, Any]] = []
    for message in messages:
        if turns and turns[-1]["role"] == message["role"]:
            turns[-1] = {"role": message["role"], "content": [*blocks_of(turns[-1]), *blocks_of(message)]}
        else:
            turns.append(message)
    return turns


def _leading_results(blocks: list[dict[str, Any]]) -> set[str]:
    found = set()
    for block in blocks:
        if block["type"] != "tool_result":
            break
        found.add(block["tool_use_id"])
    return found


def _check_tools(document: dict[str, Any]) -> None:
    tools, choice = document.get("tools") or [], document.get("tool_choice")
    names = [tool.get("name") for tool in tools]
    demand(len(set(names)) == len(names), "tools: Tool names must be unique.")
    for number, tool in enumerate(tools):
        if tool.get("type") in {None, "custom"}:
            named = FUNCTION_NAME.fullmatch(str(tool.get("name")))
            demand(named, f"tools.{number}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,64}}$'")
            schema = tool.get("input_schema")
            demand(schema is not None, f"tools.{number}.custom.input_schema: Field required")
            demand(schema.get("type") == "object", f"tools.{number}.custom.input_schema.type: Field required")
    if choice is None:
        return
    demand(isinstance(choice, dict), "tool_choice: Input should be a valid dictionary")
    kind = choice.get("type")
    demand(
        kind in {"auto", "any", "tool", "none"},
        f"tool_choice: Input tag '{kind}' found using 'type' does not match any of the expected tags",
    )
    demand(tools or kind == "none", "tool_choice may only be specified while providing tools.")
    demand(kind != "tool" or choice.get("name") in names, f"Tool '{choice.get('name')}' not found in provided tools")


def _check_marks(document: dict[str, Any]) -> None:
    """At most four places to cache, those for an hour before those for five minutes."""
    marks = [block["cache_control"] for block in cacheable(document) if block.get("cache_control")]
    count = len(marks) + bool(document.get("cache_control"))
    demand(count <= MOST_MARKS, f"A maximum of 4 blocks with cache_control may be provided. Found {count}.")
    for mark in marks:
        demand(mark.get("type") == "ephemeral", "cache_control.type: Input should be 'ephemeral'")
        demand(mark.get("ttl", "5m") in {"5m", "1h"}, "cache_control.ephemeral.ttl: Input should be '5m' or '1h'")
    lives = [mark.get("ttl", "5m") for mark in marks]
    late = "a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block"
    demand(lives == sorted(lives, key=["1h", "5m"].index), late)


def cacheable(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Every block in the order in which the cache sees them: tools, system, messages."""
    system = document.get("system")
    blocks = [*(document.get("tools") or ()), *(system if isinstance(system, list) else ())]
    if isinstance(system, str):
        blocks.append({"type": "text", "text": system})
    for message in document.get("messages") or ():
        for block in blocks_of(message):
            if block["type"] == "tool_result":
                blocks += blocks_of(block)
            blocks.append(block)
    return blocks
