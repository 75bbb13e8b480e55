"""Which target is broken when, and how: made up from a seed, and never worse than a call can live through. Pure."""

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

# What is wished of a target while it is broken; what cannot be wished has None: see `targets`.
FAULTS: dict[str, str | None] = {
    "refuses connections": None,
    "is killed and restarted": None,
    "resets": "reset",
    "hangs before the head": "hang=headers",
    "hangs in the body": "hang=body",
    "500": "status=500",
    "503 as a page": "html_503",
    "429 with a hint": "status=429,retry_after=2",
    "529": "status=529",
    "cuts": "cut_events=6",
    "slow": "latency=700ms",
    "garbage": "garbage",
}
SHELTER = 4.0  # seconds for which a target stays well that calls flee to: as long as trying all of them takes
LENGTHS = (1.5, 6.0)  # seconds that a target stays broken
PAUSE = 0.5  # seconds between two faults' begins, on average; some find no target that may break


class Spell(NamedTuple):
    """`target`, an index, is broken in the way of `fault` from `start` to `end`, in seconds."""

    start: float
    end: float
    target: int
    fault: str


def forecast(seed: int, targets: int, seconds: float) -> list[Spell]:
    """The spells of a day in order: the same for the same seed. At every moment one target is well, and stays so for `SHELTER`."""
    random = Random(seed)
    spells: list[Spell] = []
    start = 0.0
    while (start := start + random.expovariate(1 / PAUSE)) < seconds:
        end = min(start + random.uniform(*LENGTHS), seconds)
        spell = Spell(start, end, random.randrange(targets), random.choice(list(FAULTS)))
        if _leaves_shelter(spell, spells, targets):
            spells.append(spell)
    return spells


def _leaves_shelter(spell: Spell, before: Sequence[Spell], targets: int) -> bool:
    """Whether its target is well, and another is from `SHELTER` before it to its end, which is no shelter's begin any more."""
    near = {one.target for one in before if one.end > spell.start - SHELTER}
    is_free = all(one.end < spell.start for one in before if one.target == spell.target)
    return is_free and len(near - {spell.target}) < targets - 1
