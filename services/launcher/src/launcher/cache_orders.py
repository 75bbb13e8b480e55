"""Which answers an operator wants forgotten, from JSON or from a command's options. Pure.

Whatever is not understood is refused, an empty name too: a script's unset variable must not purge more than was meant.
"""

import re
from collections.abc import Mapping
from typing import Annotated, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from chassis.errors import Reason, RunestoneError
from runestone.cache.v1.cache_pb2 import Selection

Name = Annotated[str, msgspec.Meta(min_length=1)]
KEY_PREFIX = re.compile(r"(?:[0-9a-fA-F]{2}){1,32}")

T = TypeVar("T")


class PurgeOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Answers that fit all that is set; `everything` alone means all, `key_prefix` is in hex."""

    tenant: Name | UnsetType = UNSET
    model: Name | UnsetType = UNSET
    tag: Name | UnsetType = UNSET
    key_prefix: Name | UnsetType = UNSET
    everything: bool = False


class ShredOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose answers to make unreadable."""

    tenant: Name


def read_purge(body: bytes) -> Selection:
    """The selection that a JSON document asks for. Raises INVALID_REQUEST with what is wrong."""
    return _select(_decode(body, PurgeOrder))


def read_shred(body: bytes) -> str:
    """The tenant that a JSON document names. Raises INVALID_REQUEST with what is wrong."""
    return _decode(body, ShredOrder).tenant


def select(members: Mapping[str, object]) -> Selection:
    """The selection that these members of a `PurgeOrder` make. Raises INVALID_REQUEST with what is wrong."""
    try:
        return _select(msgspec.convert(members, PurgeOrder))
    except msgspec.ValidationError as error:
        raise _refusal(_spell(error)) from error


def describe_selection(selection: Selection) -> dict[str, object]:
    """What is set of it, bytes in hex."""
    return {field.name: value.hex() if isinstance(value, bytes) else value for field, value in selection.ListFields()}


def _select(order: PurgeOrder) -> Selection:
    if order == PurgeOrder():
        raise _refusal("this says nothing: give a tenant, a model, a tag or a key's beginning, or ask for everything")
    said = {name: value for name, value in msgspec.structs.asdict(order).items() if value is not UNSET}
    prefix = _read_hex(said.pop("key_prefix", ""))
    try:
        return Selection(key_prefix=prefix, **said)
    except ValueError as error:  # a command line may hold what is no Unicode
        raise _refusal("this is not valid UTF-8") from error


def _read_hex(text: str) -> bytes:
    if text and not KEY_PREFIX.fullmatch(text):
        message = f"{text!r} is no key and no beginning of one: 2 to 64 hex digits, two for each byte"
        raise _refusal(message)
    return bytes.fromhex(text)


def _decode(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise _refusal(_spell(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _refusal(f"the body is not valid JSON: {error}") from error


def _spell(error: msgspec.ValidationError) -> str:
    return str(error).replace("`$.", "`")


def _refusal(message: str) -> RunestoneError:
    return RunestoneError(Reason.INVALID_REQUEST, message)
