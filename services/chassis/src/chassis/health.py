"""Health as named facts: a service is ready when every fact it declared holds.

It starts NOT_SERVING, and is the first thing to fall when the service stops.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that must hold. `detail` says why it does not."""

    name: str
    holds: bool
    detail: str = ""


class Facts:
    """What must hold for one service to be ready, and who wants to know."""

    def __init__(self) -> None:
        self._facts: dict[str, Fact] = {}
        self._watchers: list[Callable[[], None]] = []

    def declare(self, name: str, detail: str = "not yet") -> None:
        """Adds a fact that does not hold yet."""
        self.say(name, holds=False, detail=detail)

    def say(self, name: str, *, holds: bool, detail: str = "") -> None:
        """States a fact anew."""
        fact = Fact(name, holds, detail)
        if self._facts.get(name) != fact:
            self._facts[name] = fact
            for watcher in self._watchers:
                watcher()

    def watch(self, watcher: Callable[[], None]) -> None:
        """Calls `watcher` after every change."""
        self._watchers.append(watcher)

    @property
    def is_ready(self) -> bool:
        """Whether there are facts and all hold."""
        return bool(self._facts) and all(fact.holds for fact in self._facts.values())

    def __iter__(self) -> Iterator[Fact]:
        return iter(self._facts.values())

    def __repr__(self) -> str:
        return f"Facts({', '.join(f'{fact.name}={fact.holds}' for fact in self)})"
