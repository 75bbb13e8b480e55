"""Patterns that may be looked for in what callers and models say: they can stall nobody, and have a longest match.

RE2 (https://github.com/google/re2/wiki/Syntax) takes time linear in the text. It is loaded only where a pattern is used.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

from chassis.config.transform.spans import Span, span_of

# RE2's worst case takes time by text and program: 4,000 instructions over 2 KiB some 50 ms, where ten thousand can take 300 ms.
MOST_INSTRUCTIONS = 4_000
MOST_TOGETHER = 8_000


class Match(Protocol):
    """Where something was found, in bytes of UTF-8; -1 for a group that has no part in it."""

    def start(self, group: int = 0) -> int:
        """The first byte."""

    def end(self, group: int = 0) -> int:
        """Behind the last byte."""


class Pattern(Protocol):
    """A compiled pattern."""

    groups: int
    programsize: int

    def finditer(self, text: bytes, pos: int = 0) -> Iterable[Match]:
        """Every match from `pos` on, the leftmost first. Word borders see what stands before `pos`."""


def compile_pattern(text: str, most: int = MOST_INSTRUCTIONS) -> Pattern:
    """Raises ValueError for what is no pattern of RE2, or one of more than `most` instructions."""
    import re2  # noqa: PLC0415  most processes never see a pattern

    options = re2.Options()
    options.log_errors = False
    try:
        compiled: Pattern = re2.compile(text, options)
    except re2.error as error:
        reason = error.args[0]
        raise ValueError(f"is no pattern: {reason.decode() if isinstance(reason, bytes) else reason}") from error
    if compiled.programsize > most:
        raise ValueError(
            f"is too large: {compiled.programsize} instructions of RE2, of {most}; repeat less, or fewer kinds"
        )
    return compiled


def check_pattern(text: str, longest: int) -> Span:
    """How long its matches are. Raises ValueError when it could match nothing, or more than `longest` characters."""
    compile_pattern(text)
    span = span_of(text)
    if span.shortest == 0:
        raise ValueError("can match nothing at all, which stands everywhere")
    if span.longest > longest:
        how = "without end" if span.is_endless else f"{span.longest:.0f} characters"
        raise ValueError(
            f"can match {how}, more than `longest` ({longest}): bound what repeats, as `{{1,200}}` for `+`, or raise `longest`"
        )
    return span


def is_usable(text: str, longest: int) -> bool:
    """Whether `check_pattern` has nothing against it."""
    try:
        check_pattern(text, longest)
    except ValueError:
        return False
    return True


def join_patterns(texts: Sequence[str]) -> Pattern:
    """One pattern that finds whichever of `texts` begins first, of several there the first in order; each is a group."""
    return compile_pattern("|".join(f"({text})" for text in texts), MOST_TOGETHER)
