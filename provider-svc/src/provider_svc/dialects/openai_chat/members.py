"""From a body's raw members to typed ones: what is carried, what is let go, and what is lost.

A member of the body that nobody here knows might change the answer, so it is lost as one that is known to. Inside messages and tools
clients send back what they were sent, and more; what is not known there is let go, and told of.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from provider_svc.dialects.losses import Losses, refusal
from provider_svc.dialects.openai_chat.schema import Request
from provider_svc.documents import UNREADABLE

T = TypeVar("T")

# `model` and `stream` are the call's own.
CARRIED = frozenset(Request.__struct_fields__) | {"model", "stream"}

# What makes an answer cheaper or faster, not another.
HINTS = frozenset({"prediction", "prompt_cache_options"})

# Members that no other dialect is told of, and the values (besides null) that ask for what happens anyway.
NEUTRAL: Mapping[str, tuple[object, ...]] = {
    "audio": (),
    "modalities": (["text"],),
    "moderation": (),
    "web_search_options": (),
}

_PATH = re.compile(r"`\$\.?([^`]*)`$")

_decode_request = msgspec.json.Decoder(Request).decode
_REQUEST = inspect.type_info(Request)


def read_members(members: Mapping[str, msgspec.Raw], losses: Losses) -> Request:
    """The carried members, typed; null is absent. Raises INVALID_REQUEST with the member's path for a wrong type or a missing one."""
    for name, raw in members.items():
        if name not in CARRIED:
            _let_go(name, raw, losses)
    wanted = msgspec.json.encode({name: members[name] for name in Request.__struct_fields__ if name in members})
    try:
        return _decode_request(wanted)
    except UNREADABLE:
        return _read_known(wanted, losses)


def decode(raw: bytes | msgspec.Raw, kind: type[T], inside: str = "") -> T:
    """`raw`, typed. Raises INVALID_REQUEST with the path of what is not; `inside` is the path of the whole."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except UNREADABLE as wrong:
        raise _malformed(wrong, inside) from wrong


def _let_go(name: str, raw: msgspec.Raw, losses: Losses) -> None:
    value = decode(raw, object, name)
    if value is None or value in NEUTRAL.get(name, ()):
        return
    if name in HINTS:
        losses.drop(name)
    elif name in NEUTRAL:
        losses.lose(name, "the target has no counterpart of it with this value; leave it out")
    else:
        losses.lose(name, "it is not known here, so it cannot be translated for the target; leave it out")


def _read_known(body: bytes, losses: Losses) -> Request:
    """The slow way, of a body that holds what is not known, or what is wrong."""
    members: Any = decode(body, object)
    for path in _prune(members, _REQUEST, ""):
        losses.drop(path)
    try:
        return msgspec.convert(members, Request)
    except UNREADABLE as wrong:
        raise _malformed(wrong) from wrong


def _malformed(wrong: Exception, inside: str = "") -> Exception:
    path = _PATH.search(str(wrong))
    return refusal((path[1] if path else "") or inside, str(wrong))


def _prune(value: Any, kind: inspect.Type, path: str) -> Iterator[str]:
    """Takes what is not known out of `value`; gives the path of each that was more than null."""
    if isinstance(kind, inspect.UnionType):
        for one in kind.types:
            yield from _prune(value, one, path)
    elif isinstance(kind, inspect.ListType) and isinstance(value, list):
        for i, item in enumerate(value):
            yield from _prune(item, kind.item_type, f"{path}[{i}]")
    elif isinstance(kind, inspect.StructType) and isinstance(value, dict):
        yield from _prune_object(value, kind, path)


def _prune_object(value: dict[str, Any], kind: inspect.StructType, path: str) -> Iterator[str]:
    known = {field.encode_name: field.type for field in kind.fields}
    for name in list(value):
        inner = f"{path}.{name}" if path else name
        if name in known:
            yield from _prune(value[name], known[name], inner)
        elif value.pop(name) is not None:
            yield inner
