"""A multipart/form-data body (RFC 7578), read once: what its fields say, and which of them are files. Pure.

Strict: one reading only. Names that stand in brackets are as clients write lists and objects: `include[]`, `chunking_strategy[type]`.
"""

import re
from typing import Any

from msgspec import Struct
from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from chassis.errors import Reason, RunestoneError
from chassis.hashing import hash_parts

MEDIA_TYPE = "multipart/form-data"
MOST_PARTS = 256
LONGEST_TEXT = 1 << 20  # bytes of a part that is no file
DEEPEST = 8  # brackets of a name

_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_STEP = re.compile(r"\[([^\[\]]*)\]")


class Upload(Struct, frozen=True):
    """A file in a form."""

    filename: str
    size: int


class Part(Struct, frozen=True):
    """One part as it was sent; `filename` is None for what is no file."""

    name: str
    filename: str | None
    value: bytes


class Form(Struct, frozen=True):
    """All parts in their order, and what they say: texts, files, and lists and objects of them, by name."""

    parts: tuple[Part, ...]
    document: dict[str, Any]

    @property
    def digest(self) -> bytes:
        """SHA-256 over what is in it; the boundary between its parts is another each time that a client sends it."""
        return hash_parts(
            piece
            for part in self.parts
            for piece in (part.name.encode(), b"" if part.filename is None else b"file", part.value)
        )


def read_form(body: bytes, content_type: str) -> Form:
    """The form in `body`. Raises INVALID_REQUEST for what is none, or could be read in two ways."""
    media_type, options = parse_options_header(content_type)
    if media_type.lower() != MEDIA_TYPE or not options.get("boundary") or not content_type.isascii():
        raise _refusal(f"the request body must be {MEDIA_TYPE}, with its boundary in `content-type`")
    try:
        parts = tuple(_read_parts(body, options["boundary"]))
    except (MultipartError, ValueError) as error:
        raise _refusal(f"the request body is not valid {MEDIA_TYPE}: {error}") from error
    document: dict[str, Any] = {}
    for part in parts:
        _put(document, part)
    return Form(parts, document)


def _read_parts(body: bytes, boundary: str) -> list[Part]:
    parser = PushMultipartParser(boundary, max_segment_count=MOST_PARTS, strict=True)
    parts: list[Part] = []
    segment: MultipartSegment | None = None
    blocks: list[bytes] = []
    with parser:
        for event in parser.parse(body):
            if event is None:
                assert segment is not None, "a part ends behind its head"
                parts.append(Part(segment.name or "", segment.filename, b"".join(blocks)))
            elif isinstance(event, MultipartSegment):
                segment, blocks = event, []
            else:
                blocks.append(bytes(event))
    return parts


def _put(document: dict[str, Any], part: Part) -> None:
    """Puts what a part says where its name says: a list's next item, an object's member, or a field of its own."""
    named = _NAME.fullmatch(part.name)
    steps = _STEP.findall(named[2]) if named else []
    if named is None or len(steps) > DEEPEST or "" in steps[:-1]:
        raise _refusal("a part of the form has a name that cannot be read", part.name)
    holder, place = document, named[1]
    for step in steps:
        inner = holder.setdefault(place, {} if step else [])
        if isinstance(inner, list) and not step:
            inner.append(_value_of(part))
            return
        if not isinstance(inner, dict) or not step:
            raise _refusal("is a text, a list and an object at once", part.name)
        holder, place = inner, step
    if place in holder:
        raise _refusal("stands twice in the form", part.name)
    holder[place] = _value_of(part)


def _value_of(part: Part) -> str | Upload:
    if part.filename is not None:
        return Upload(part.filename, len(part.value))
    if len(part.value) > LONGEST_TEXT:
        raise _refusal(f"has more than {LONGEST_TEXT} bytes, and is no file", part.name)
    try:
        return part.value.decode()
    except UnicodeDecodeError as error:
        raise _refusal("must be text in UTF-8", part.name) from error


def _refusal(message: str, name: str = "") -> RunestoneError:
    name = name[:256]
    return RunestoneError(Reason.INVALID_REQUEST, f"{name}: {message}" if name else message, param=name)
