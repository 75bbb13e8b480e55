"""Texts with places in them: `{tenant}/{key}`, `{header.x-team}`; `{{` is a brace."""

from collections.abc import Collection
from dataclasses import dataclass
from string import Formatter

SOURCES = ("tenant", "key", "request_id", "model")
NAMED_SOURCES = ("metadata", "header")


@dataclass(frozen=True, slots=True)
class Placeholder:
    """What is to be filled in: one of `SOURCES`, or what has `name` in one of `NAMED_SOURCES`."""

    source: str
    name: str = ""


Template = tuple[str | Placeholder, ...]


def parse_template(text: str, readable_headers: Collection[str] | None = None) -> Template:
    """The parts of `text` in order. Raises ValueError for a place that means nothing, and for a header that is not one of
    `readable_headers`; None once that was checked."""
    parts: list[str | Placeholder] = []
    for literal, name, spec, conversion in Formatter().parse(text):
        if literal:
            parts.append(literal)
        if name is not None:
            if spec or conversion:
                raise ValueError(f"`{{{name}}}` takes no format; for a brace write it twice")
            parts.append(_read_placeholder(name, readable_headers))
    return tuple(parts)


def _read_placeholder(text: str, readable_headers: Collection[str] | None) -> Placeholder:
    source, _, name = text.partition(".")
    if source == "header" and readable_headers is not None and name.lower() not in readable_headers:
        raise ValueError(f"`{{{text}}}` reads a header that is not in `headers` of this step")
    if text in SOURCES or (source in NAMED_SOURCES and name):
        return Placeholder(source, name.lower() if source == "header" else name)
    known = ", ".join((*SOURCES, *(f"{named}.<name>" for named in NAMED_SOURCES)))
    raise ValueError(f"`{{{text}}}` is not known; known here: {known}; for a brace write it twice")
