"""What the fake model says: words of one to four bytes a character, so that cuts fall into the middle of some."""

from itertools import cycle, islice

from fake_provider.wishes import Wishes

WORDS = ("rain", "ström", "水", "leaf", "naïve", "🌲", "stone", "Ωmega")
THOUGHTS = ("hmm", "könnte", "思", "maybe", "so")
REFUSAL = ("I", " cannot", " help", " with", " that.")


def say(wishes: Wishes) -> list[str]:
    """The pieces of an answer: joined, they are the text."""
    if wishes.huge:
        return ["x" * wishes.huge] * wishes.repeat
    return spaced(wishes.say.split(" ") * wishes.repeat if wishes.say else _some(WORDS, wishes.words * wishes.repeat))


def think(count: int) -> list[str]:
    return spaced(_some(THOUGHTS, count))


def spaced(words: list[str]) -> list[str]:
    """Words as pieces of a text: all but the first behind a space."""
    return [*words[:1], *(f" {word}" for word in words[1:])]


def _some(words: tuple[str, ...], count: int) -> list[str]:
    return list(islice(cycle(words), count))
