"""What a conversation asks, as far as the fake model looks at it, whatever its dialect."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    name: str
    schema: Any = None
    is_custom: bool = False


@dataclass(slots=True, kw_only=True)
class Question:
    """`choice` is auto, none, required or a tool's name. `seen` is what the last turn showed and which results of tools it brought;
    `rounds` counts the rounds of calls since the user last said something. `limit` bounds the answer's tokens."""

    tools: list[Tool] = field(default_factory=list)
    choice: str = "auto"
    is_parallel: bool = True
    wants_json: bool = False
    schema: Any = None
    thinks: bool = False
    seen: list[str] = field(default_factory=list)
    rounds: int = 0
    limit: int | None = None
    stops: list[str] = field(default_factory=list)
