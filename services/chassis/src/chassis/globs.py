"""Names by patterns in which `*` stands for any characters, none included; everything else for itself.

Matching takes time linear in the name, whatever the pattern: names come from clients.
"""

from collections.abc import Iterable


class Globs:
    """A set of names given by patterns: `"gpt-4o" in Globs(["gpt-4*"])`."""

    __slots__ = ("_exact", "_has_all", "_patterns")

    def __init__(self, patterns: Iterable[str]) -> None:
        patterns = list(patterns)
        self._has_all = "*" in patterns
        self._exact = frozenset(pattern for pattern in patterns if "*" not in pattern)
        self._patterns = tuple(pattern.split("*") for pattern in patterns if "*" in pattern)

    def __contains__(self, name: str) -> bool:
        return self._has_all or name in self._exact or any(_is_match(parts, name) for parts in self._patterns)


def _is_match(parts: list[str], name: str) -> bool:
    """Whether `name` is `parts` in this order with anything between them; the first begins it and the last ends it."""
    first, *middle, last = parts
    if not name.startswith(first):
        return False
    reached = len(first)
    for part in middle:
        found = name.find(part, reached)
        if found < 0:
            return False
        reached = found + len(part)
    return name.endswith(last) and reached <= len(name) - len(last)
