"""Structured fields (RFC 9651) as this border takes them: dictionaries, strictly, bounded."""

from typing import cast

import http_sf
from http_sf import InnerListType, ItemType

LONGEST = 4096  # characters; the parser is Python, and who sends them may be anybody

Member = tuple[object, dict[str, object]]  # a value or the items of an inner list, and its parameters


def read_dictionary(text: str) -> dict[str, Member]:
    """The members of a dictionary. Raises ValueError when it is none, is too long, or has a key twice: the standard takes the
    last, and another reader may take the first."""
    if len(text) > LONGEST:
        raise ValueError(f"it is longer than {LONGEST} characters")
    parsed = http_sf.parse(text.encode("ascii"), tltype="dictionary", on_duplicate_key=_refuse_double)
    return cast("dict[str, Member]", parsed)


def serialize(member: Member) -> str:
    """An inner list with its parameters as the standard writes it."""
    return http_sf.ser([cast("InnerListType | ItemType", member)])


def _refuse_double(key: str, context: str) -> None:
    raise ValueError(f"{context} has {key!r} twice")
