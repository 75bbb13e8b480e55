"""What the fake provider remembers from one request to the next."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Memory:
    """`responses` are those of OpenAI's Responses that were to be stored, each with the items before its own; `prefixes` are the
    parts of prompts that Anthropic's cache has."""

    responses: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = field(default_factory=dict)
    prefixes: set[bytes] = field(default_factory=set)
    models: list[str] = field(default_factory=lambda: ["fake-large", "fake-small"])
