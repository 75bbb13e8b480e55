"""How many characters a pattern can match, at least and at most.

Reads the syntax of RE2 (https://github.com/google/re2/wiki/Syntax) and expects a pattern that RE2 has taken: what is wrong with
one is RE2's to say.
"""

import math
import re
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""
    (?P<flags>   \(\?[a-zA-Z-]+\) )
  | (?P<nowhere> \\[bBAz] | [$^] )
  | (?P<repeat>  (?: (?P<sign>[*+?]) | \{(?P<least>\d+)(?P<to>,(?P<most>\d*))?\} ) \?? )
  | (?P<open>    \( (?: \?(?: P?<\w+> | [a-zA-Z-]*: ) )? )
  | (?P<close>   \) )
  | (?P<either>  \| )
  | (?P<refused> \\[QC] )
  | (?P<one>     \[\^?\]? (?: \[:\^?\w+:\] | \\. | [^\]\\] )* \]
               | \\(?: x\{[0-9A-Fa-f]+\} | x[0-9A-Fa-f]{2} | [pP](?:\{\^?\w+\}|.) | [0-7]{1,3} | . )
               | [^\\] )
    """,
    re.VERBOSE | re.DOTALL,
)
_SIGNS = {"*": (0, math.inf), "+": (1, math.inf), "?": (0, 1)}


@dataclass(frozen=True, slots=True)
class Span:
    """Characters that a match has at least and at most; endless is `math.inf`."""

    shortest: float = 0
    longest: float = 0

    @property
    def is_endless(self) -> bool:
        """Whether there is no longest match."""
        return math.isinf(self.longest)

    def followed_by(self, other: "Span") -> "Span":
        return Span(self.shortest + other.shortest, self.longest + other.longest)

    def or_else(self, other: "Span") -> "Span":
        return Span(min(self.shortest, other.shortest), max(self.longest, other.longest))

    def repeated(self, least: float, most: float) -> "Span":
        return Span(self.shortest * least, self.longest * most if self.longest and most else 0)


class _Level:
    """What was read between two parentheses so far: the branches that ended, the one being read, its last item."""

    def __init__(self) -> None:
        self._ended: Span | None = None
        self._before = Span()
        self._last = Span()

    def add(self, item: Span) -> None:
        self._before = self._before.followed_by(self._last)
        self._last = item

    def repeat(self, least: float, most: float) -> None:
        self._last = self._last.repeated(least, most)

    def end_branch(self) -> Span:
        branch = self._before.followed_by(self._last)
        self._ended = branch if self._ended is None else self._ended.or_else(branch)
        self._before = self._last = Span()
        return self._ended


def span_of(pattern: str) -> Span:
    """The span of a pattern that RE2 takes. Raises ValueError for single bytes and quotations, which no pattern needs."""
    levels = [_Level()]
    for token in _TOKEN.finditer(pattern):
        match token.lastgroup:
            case "open":
                levels.append(_Level())
            case "close":
                group = levels.pop().end_branch()
                levels[-1].add(group)
            case "either":
                levels[-1].end_branch()
            case "repeat":
                levels[-1].repeat(*_bounds(token))
            case "flags":
                continue  # no item: what repeats behind it repeats what stands before it
            case "nowhere":
                levels[-1].add(Span())
            case "one":
                levels[-1].add(Span(1, 1))
            case _:
                raise ValueError(f"has {token[0]}, which is not taken here")
    return levels[0].end_branch()


def _bounds(token: re.Match[str]) -> tuple[float, float]:
    """How often what stands before `token` is repeated."""
    if token["sign"]:
        return _SIGNS[token["sign"]]
    least = int(token["least"])
    return least, least if token["to"] is None else float(token["most"] or math.inf)
