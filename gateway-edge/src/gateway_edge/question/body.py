"""A JSON request body, decoded once, with nothing in it that two readers could read differently.

Strict: UTF-8, no NaN, no lone surrogates, bounded depth, an object, and no top-level key twice: otherwise `model`
could be authorised as one thing and sent upstream as another.
"""

import re
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
import orjson

from chassis.errors import Reason, RunestoneError

T = TypeVar("T")

MAX_DEPTH = 100  # levels of objects and arrays, unless told otherwise
CONTAINERS = frozenset({dict, list})

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_KEY = re.compile(rb'\s*"(?:[^"\\]|\\.)*"\s*:\s*')
_SEPARATOR = re.compile(rb"\s*,")
_VALIDATION = re.compile(r"(?P<what>.*?)(?: - at `(?:key in )?\$\.?(?P<path>.*)`)?", re.DOTALL)


def decode_object(body: bytes, max_depth: int = MAX_DEPTH) -> dict[str, Any]:
    """The body's object. Raises INVALID_REQUEST when it is not one, nested more deeply than `max_depth`, or ambiguous."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RunestoneError(Reason.INVALID_REQUEST, f"the request body is not valid JSON: {error}") from error
    if not isinstance(document, dict):
        raise RunestoneError(Reason.INVALID_REQUEST, "the request body must be a JSON object")
    if is_deeper(body, document, max_depth):
        message = f"the request body is nested more deeply than {max_depth} levels"
        raise RunestoneError(Reason.INVALID_REQUEST, message)
    try:
        is_ambiguous = not is_compact(body, document) and has_duplicate_keys(body)
    except RecursionError as error:  # in the value of a key that stands twice
        raise RunestoneError(Reason.INVALID_REQUEST, "the request body is nested too deeply") from error
    if is_ambiguous:
        raise RunestoneError(Reason.INVALID_REQUEST, "the request body has a top-level key twice")
    return document


def is_deeper(body: bytes, document: Mapping[str, Any], most: int) -> bool:
    """Whether `document`, which was read from `body`, has more than `most` levels of objects and arrays. Few bodies have so
    many brackets that its values must be looked at."""
    if _count(body, b"{") + _count(body, b"[") <= most:
        return False
    level: list[Any] = [document]
    for _ in range(most):
        if not level:
            return False
        level = [
            value
            for held in level
            for value in (held.values() if type(held) is dict else held)
            if type(value) in CONTAINERS
        ]
    return bool(level)


def _count(body: bytes, byte: bytes) -> int:
    """How often `byte` stands in `body`; `bytes.count` looks at each in turn and takes five times as long."""
    return len(body) - len(body.replace(byte, b""))


def is_compact(body: bytes, document: Mapping[str, Any]) -> bool:
    """Whether `body` is just what `document` is written as, so that no key was dropped and no number rounded in reading it."""
    try:
        return orjson.dumps(document) == body
    except orjson.JSONEncodeError:  # nested more deeply than it writes
        return False


def has_duplicate_keys(body: bytes) -> bool:
    """Whether the object in `body`, which is valid JSON, has a top-level key twice.

    Decoding to a mapping keeps one slice a key; walking `body` along those slices comes to its end only when no member
    was dropped. The walk compares memory, so a large body costs little.
    """
    position = body.index(b"{") + 1
    members = list(_members.decode(body).values())
    for index, value in enumerate(members):
        key = _KEY.match(body, position)
        if key is None or not body.startswith(raw := bytes(value), key.end()):
            return True
        position = key.end() + len(raw)
        if index < len(members) - 1:
            separator = _SEPARATOR.match(body, position)
            if separator is None:
                return True
            position = separator.end()
    return body[position:].strip() != b"}"


def name_model(body: bytes, model: str) -> bytes:
    """`body` with `model` in place of its own; the same bytes where that is its own, or where it is no JSON object."""
    return replace_member(body, "model", value=model)


def replace_member(body: bytes, name: str, *, value: str | bool) -> bytes:
    """`body` with `value` as its top-level member `name`; the same bytes where it is that, or where it is no JSON object."""
    try:
        members = _members.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body
    written = msgspec.Raw(msgspec.json.encode(value))
    if bytes(members.get(name, b"")) == bytes(written) or has_duplicate_keys(body):
        return body
    return msgspec.json.encode(members | {name: written})


def read_as(document: dict[str, Any], kind: type[T]) -> T:
    """`document` as `kind`. Raises INVALID_REQUEST with the path of the first member that does not fit."""
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        parts = _VALIDATION.fullmatch(str(error))
        what, path = (parts["what"], parts["path"] or "") if parts else (str(error), "")
        message = f"{path}: {what}" if path else what
        raise RunestoneError(Reason.INVALID_REQUEST, message, param=path) from error
