"""How a seal on a model's thoughts travels through another maker's dialect and comes back to its own.

In its maker's own dialect a seal is what it is. In another's it stands behind the maker's name, where that dialect keeps seals of its
own, so that it is never shown to who did not make it.
"""

from typing import get_args

from provider_svc.dialects.prompt import Maker

MARK = "runestone:"


def wrap(seal: str, sealed_by: Maker | None, dialect_of: Maker) -> str:
    """A seal as the dialect of a maker carries it; empty for none."""
    if not seal or sealed_by is None or sealed_by == dialect_of:
        return seal
    return f"{MARK}{sealed_by}:{seal}"


def unwrap(text: str, dialect_of: Maker) -> tuple[str, Maker]:
    """The seal and whose it is, of what stood in the dialect of a maker."""
    if text.startswith(MARK):
        maker, _, seal = text[len(MARK) :].partition(":")
        for known in get_args(Maker):
            if maker == known:
                return seal, known
    return text, dialect_of
