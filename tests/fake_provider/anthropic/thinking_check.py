"""What Messages refuses of thinking: thoughts that are not its own, and tool loops that lost them."""

from typing import Any

from fake_provider import seals
from fake_provider.anthropic.question import blocks_of, is_spoken
from fake_provider.refusal import demand

MAKER = "anthropic"
THOUGHTS = ("thinking", "redacted_thinking")
LEAST_BUDGET = 1024


def check_thinking(document: dict[str, Any]) -> None:
    messages = document["messages"]
    for number, message in enumerate(messages):
        for at, block in enumerate(blocks_of(message)):
            _check_seal(block, f"messages.{number}.content.{at}")
    thinking = document.get("thinking") or {}
    kind = thinking.get("type", "disabled")
    demand(
        kind in {"enabled", "adaptive", "disabled", "between_tools"},
        f"thinking: Input tag '{kind}' found using 'type' does not match any of the expected tags",
    )
    if kind in {"enabled", "adaptive"}:
        _check_company(document)
    if kind == "enabled":
        _check_budget(document, thinking)
        _check_loop(messages)


def _check_seal(block: dict[str, Any], path: str) -> None:
    if block["type"] == "thinking":
        demand(block.get("signature"), f"{path}.thinking.signature: Field required")
        own = seals.is_signed(MAKER, str(block.get("thinking")), block["signature"])
        demand(own, f"{path}: Invalid `signature` in `thinking` block")
    elif block["type"] == "redacted_thinking":
        demand(seals.is_own(MAKER, block.get("data")), f"{path}: Invalid `data` in `redacted_thinking` block")


def _check_company(document: dict[str, Any]) -> None:
    """What does not go together with thinking."""
    temperature, top_p = document.get("temperature"), document.get("top_p")
    demand(temperature in {None, 1}, "`temperature` may only be set to 1 when thinking is enabled.")
    demand(
        top_p is None or top_p >= 0.95,
        "`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled.",
    )
    demand(document.get("top_k") is None, "`top_k` must be unset when thinking is enabled.")
    forced = (document.get("tool_choice") or {}).get("type") in {"any", "tool"}
    demand(not forced, "Thinking may not be enabled when tool_choice forces tool use.")


def _check_budget(document: dict[str, Any], thinking: dict[str, Any]) -> None:
    budget = thinking.get("budget_tokens")
    demand(isinstance(budget, int), "thinking.enabled.budget_tokens: Field required")
    least = f"thinking.enabled.budget_tokens: Input should be greater than or equal to {LEAST_BUDGET}"
    demand(budget is not None and budget >= LEAST_BUDGET, least)
    limit = document.get("max_tokens")
    demand(limit is None or limit > budget, "`max_tokens` must be greater than `thinking.budget_tokens`.")


def _check_loop(messages: list[dict[str, Any]]) -> None:
    """Each of the assistant's turns since the user last spoke begins with what it thought."""
    start = max((at for at, message in enumerate(messages) if is_spoken(message)), default=0)
    for number, message in enumerate(messages[start:], start=start):
        if message["role"] == "assistant" and messages[number - 1]["role"] != "assistant":
            kind = blocks_of(message)[0]["type"]
            demand(
                kind in THOUGHTS,
                f"messages.{number}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `{kind}`. When "
                "`thinking` is enabled, a final `assistant` message must start with a thinking block (preceeding the lastmost "
                "set of `tool_use` and `tool_result` blocks).",
            )
