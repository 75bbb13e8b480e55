"""A call that may be asked together with others: the one input that it holds, and what the others must have in common with it. Pure."""

from typing import Annotated, Literal, NamedTuple

import msgspec

from chassis.billing.estimate import count_read
from provider_svc.documents import UNREADABLE
from provider_svc.provider import UpstreamCall
from runestone.common.v1.dialect_pb2 import DIALECT_OPENAI_EMBEDDINGS, DIALECT_OPENAI_MODERATIONS, Dialect

Unit = Literal["text", "tokens"]  # a list holds the one or the other, never both

# What a list of inputs may hold in each dialect. A ranking's documents are no such inputs: some models weigh them against each other, and
# makers charge for them by the call.
UNITS: dict[Dialect.ValueType, frozenset[Unit]] = {
    DIALECT_OPENAI_EMBEDDINGS: frozenset({"text", "tokens"}),
    DIALECT_OPENAI_MODERATIONS: frozenset({"text"}),
}
INPUT = "input"
LARGEST = 256 << 10  # bytes of one input; also of all of a batch, which stays so below what makers take in one call

_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_tokens = msgspec.json.Decoder(Annotated[list[int], msgspec.Meta(min_length=1)]).decode


class Key(NamedTuple):
    """What calls that are asked together have in common: all but their inputs. Members and headers are in the order of their names."""

    dialect: Dialect.ValueType
    model: str
    unit: Unit
    members: tuple[tuple[str, bytes], ...]
    headers: tuple[tuple[str, str], ...]


class Item(NamedTuple):
    """One input as it stands in a list of several, and how many tokens it is: estimated, but for one that is given in tokens."""

    key: Key
    input: bytes
    tokens: int


class _Input(NamedTuple):
    unit: Unit
    raw: bytes
    tokens: int


def read_item(call: UpstreamCall) -> Item | None:
    """What `call` would add to a batch; None where it has to be asked alone."""
    raw = call.members.get(INPUT)
    units = UNITS.get(call.dialect)
    if raw is None or units is None or call.stream or call.content_type or call.kept is not None or len(raw) > LARGEST:
        return None
    found = _read_input(bytes(raw))
    if found is None or found.unit not in units:
        return None
    return Item(_read_key(call, found.unit), found.raw, found.tokens)


def _read_key(call: UpstreamCall, unit: Unit) -> Key:
    """The members as the bytes that they are: what is only written differently is not worth finding out."""
    members = ((name, bytes(raw)) for name, raw in call.members.items() if name not in {INPUT, "model"})
    return Key(call.dialect, call.model, unit, tuple(sorted(members)), tuple(sorted(call.headers.items())))


def _read_input(raw: bytes) -> _Input | None:
    """One text, the tokens of one, or a list of either with one in it."""
    if raw.startswith(b'"'):
        return _Input("text", raw, count_read(raw))
    if not raw.startswith(b"["):
        return None
    if raw[1:].lstrip()[:1] not in {b'"', b"["}:
        return _read_tokens(raw)
    inputs = _decode_list(raw)
    if len(inputs) != 1:
        return None
    only = bytes(inputs[0])
    return _Input("text", only, count_read(only)) if only.startswith(b'"') else _read_tokens(only)


def _read_tokens(raw: bytes) -> _Input | None:
    try:
        return _Input("tokens", raw, len(_decode_tokens(raw)))
    except UNREADABLE:
        return None
