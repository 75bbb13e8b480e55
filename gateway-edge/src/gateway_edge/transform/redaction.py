"""Texts without what is not to be read, whole or as they come, with the same result however they are cut.

Whether a match begins at a character is known once as many characters follow as the longest match has, for no match is longer
(`chassis.config.transform.spans`). What comes in pieces is therefore held back that long, and a few characters longer, so that a
search is worth its while: models say four characters at a time.
"""

from collections.abc import Sequence

from chassis.config.transform.options import PatternRule
from chassis.config.transform.patterns import Match, check_pattern, compile_pattern, join_patterns
from gateway_edge.transform.turns import Turns

GATHERED = 24  # characters whose fate is known, before they are searched and let go
PIECE = 2048  # characters searched in one turn: some 5 us where there is no match, 8 ms where each of them is one


class Redaction:
    """What is looked for, all at once: of two matches that overlap the one that begins first is taken, of two that begin
    together the rule that stands first."""

    def __init__(self, rules: Sequence[PatternRule]) -> None:
        self.pattern = join_patterns([rule.pattern for rule in rules])
        self.longest = int(max(check_pattern(rule.pattern, rule.longest).longest for rule in rules))
        self._replacements = list(zip(_groups(rules), (rule.with_.encode() for rule in rules), strict=True))

    def redact(self, text: str) -> Turns[str]:
        """A whole text."""
        if len(text) <= PIECE:
            return Redactor(self).finish(text)
        return (yield from Redactor(self).take(text, is_last=True))

    def replacement_of(self, match: Match) -> bytes:
        """What is read instead of `match`."""
        return next(instead for group, instead in self._replacements if match.start(group) >= 0)


def _groups(rules: Sequence[PatternRule]) -> Sequence[int]:
    """The number of the group that each rule is in the joined pattern."""
    numbers = [1]
    for rule in rules[:-1]:
        numbers.append(numbers[-1] + 1 + compile_pattern(rule.pattern).groups)
    return numbers


class Redactor:
    """One text that comes in pieces. Holds back at most `longest + GATHERED` characters."""

    __slots__ = ("_held", "_is_begun", "_redaction")

    def __init__(self, redaction: Redaction) -> None:
        self._redaction = redaction
        self._held = ""
        self._is_begun = (
            False  # then what is held begins with the last character that was let go, which `\b` may ask for
        )

    @property
    def is_holding(self) -> bool:
        """Whether there is text that was not let go."""
        return len(self._held) > self._is_begun

    def feed(self, piece: str) -> str:
        """What may be read of the text so far and was not before; often nothing."""
        self._held += piece
        known = len(self._held) - self._redaction.longest
        return self._release(known) if known - self._is_begun >= GATHERED else ""

    def finish(self, piece: str = "") -> str:
        """The rest, when nothing follows. Another text may begin then."""
        self._held += piece
        released = self._release(len(self._held)) if self.is_holding else ""
        self._held, self._is_begun = "", False
        return released

    def take(self, text: str, *, is_last: bool = False) -> Turns[str]:
        """As `feed`, or `finish`, for a text that may be long."""
        parts = []
        for start in range(0, len(text), PIECE):
            parts.append(self.feed(text[start : start + PIECE]))
            yield
        if is_last:
            parts.append(self.finish())
        return "".join(parts)

    def _release(self, known: int) -> str:
        """Lets go what no match can begin in any more, or began in: the first `known` characters and the rest of a match."""
        data = self._held.encode()
        is_ascii = len(data) == len(self._held)
        stop = known if is_ascii else len(self._held[:known].encode())
        reached = len(self._held[:1].encode()) if self._is_begun else 0
        parts: list[bytes] = []
        for match in self._redaction.pattern.finditer(data, reached):
            if match.start() >= stop:
                break
            parts += (data[reached : match.start()], self._redaction.replacement_of(match))
            reached = match.end()
        if reached < stop:
            parts.append(data[reached:stop])
            reached = stop
        end = reached if is_ascii else len(data[:reached].decode())
        self._held, self._is_begun = self._held[end - 1 :], True
        return b"".join(parts).decode()
