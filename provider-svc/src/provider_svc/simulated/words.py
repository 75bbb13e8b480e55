"""Text out of nothing: an echo of the request, then varied words."""

from random import Random

LONGEST_ECHO = 12
VOCABULARY = [
    "amber", "anchor", "autumn", "bridge", "bright", "candle", "canyon", "carries", "certain", "clear", "cloud",
    "coast", "copper", "crystal", "distant", "drifts", "early", "echo", "ember", "every", "evening", "falls",
    "field", "finds", "forest", "gathers", "gentle", "glass", "grows", "harbour", "hidden", "hollow", "island",
    "journey", "keeps", "lantern", "leaves", "light", "listens", "marble", "meadow", "mirror", "morning", "moves",
    "narrow", "never", "northern", "ocean", "often", "opens", "patient", "pebble", "quiet", "rain", "remembers",
    "returns", "ridge", "river", "rises", "runs", "salt", "seldom", "shadow", "silver", "slowly", "small", "snow",
    "spring", "stone", "stories", "summer", "thread", "through", "tide", "toward", "turns", "under", "valley",
    "walks", "wanders", "water", "while", "whispers", "willow", "wind", "winter", "within", "words", "yellow",
]  # fmt: skip


def compose(echoed: list[str], count: int, seed: bytes) -> list[str]:
    """`count` words, at least one: an echo of `echoed` first, then words that follow from `seed` alone."""
    opening = ["You", "said:", *echoed[:LONGEST_ECHO]] if echoed else []
    chosen = Random(seed).choices(VOCABULARY, k=max(count - len(opening), 0))  # noqa: S311  variety, not secrecy
    return [*opening, *chosen][:count]
