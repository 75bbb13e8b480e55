"""What an experiment divides: the user, the conversation, the key, the tenant, or each call by itself. Pure."""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import json

from chassis.routing.facts import Facts

LEADING = ("system", "developer")  # roles of messages that are the system prompt


def read_unit(kind: str, facts: Facts) -> tuple[str, ...]:
    """The unit of a call: of what kind it is, whose, and which. Users and conversations of two tenants are never the same. A call that
    names no user is one of its key's, one without a conversation too."""
    return UNITS[kind](facts) or _key(facts)


def _user(facts: Facts) -> tuple[str, ...]:
    user = facts.user
    return ("user", facts.tenant, user) if user else ()


def _conversation(facts: Facts) -> tuple[str, ...]:
    opening = read_opening(facts.read_document())
    return ("conversation", facts.tenant, opening) if opening else ()


def _key(facts: Facts) -> tuple[str, ...]:
    return ("key", facts.tenant, facts.key)


UNITS: Mapping[str, Callable[[Facts], tuple[str, ...]]] = {
    "user": _user,
    "conversation": _conversation,
    "key": _key,
    "tenant": lambda facts: ("tenant", facts.tenant),
    "call": lambda facts: ("call", facts.call_id),
}


def read_opening(document: Mapping[str, Any]) -> str:
    """What stays the same while a conversation goes on, whatever the dialect: what the client itself calls it, else its system prompt and
    its first user message; empty where there is neither."""
    if (named := document.get("prompt_cache_key")) and isinstance(named, str):
        return json.encode({"named": named}).decode()
    turns = document.get("messages", document.get("input", document.get("prompt")))
    said = [_spell(part) for part in (document.get("system"), document.get("instructions"), *_begin(turns))]
    return json.encode(said).decode() if any(said) else ""


def _begin(turns: object) -> list[object]:
    """The leading instructions and the first user message; a text is one by itself."""
    if not isinstance(turns, list):
        return [turns]
    begin: list[object] = []
    for turn in turns:
        role = turn.get("role") if isinstance(turn, Mapping) else "user"
        if role in LEADING or role == "user":
            begin.append(turn.get("content") if isinstance(turn, Mapping) else turn)
        if role == "user":
            break
    return begin


def _spell(content: object) -> str:
    """One spelling for a text alone and for one in parts, wherever the marks of Anthropic's cache stand: they move on with each turn."""
    if isinstance(content, list):
        return "\n".join(map(_spell, content))
    if isinstance(content, Mapping):
        text = content.get("text")
        kept = {name: value for name, value in content.items() if name != "cache_control"}
        return text if isinstance(text, str) else json.encode(kept, order="deterministic").decode()
    return content if isinstance(content, str) else "" if content is None else str(content)
