"""What the fake provider remembers from one request to the next."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Stored:
    """One of OpenAI's Responses that was to be stored: as it is now, what it answers with all that came before, and its events, made
    anew each time."""

    response: dict[str, Any]
    inputs: list[dict[str, Any]]
    events: Callable[[], Iterator[bytes]]

    @property
    def items(self) -> list[dict[str, Any]]:
        """The conversation so far."""
        return [*self.inputs, *self.response["output"]]


@dataclass(slots=True)
class Memory:
    """`responses` are those that were to be stored; `prefixes` are the parts of prompts that Anthropic's cache has."""

    responses: dict[str, Stored] = field(default_factory=dict)
    prefixes: set[bytes] = field(default_factory=set)
    models: list[str] = field(default_factory=lambda: ["fake-large", "fake-small"])
