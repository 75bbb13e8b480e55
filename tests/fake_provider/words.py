"""What the fake model says: words of one to four bytes a character, so that cuts fall into the middle of some."""

from collections.abc import Iterator
from itertools import cycle, islice

from fake_provider.wishes import Wishes

WORDS = ("rain", "ström", "水", "leaf", "naïve", "🌲", "stone", "Ωmega")


def say(wishes: Wishes) -> Iterator[str]:
    if wishes.huge:
        return iter(["x" * wishes.huge] * wishes.repeat)
    return islice(cycle(WORDS), wishes.words * wishes.repeat)
