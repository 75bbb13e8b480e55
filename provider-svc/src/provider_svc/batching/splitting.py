"""One answer to several calls, as the answers that each would have got alone. Pure.

What stands in the answer stays the provider's own bytes: no number of a vector is read.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from chassis.errors import Reason, RunestoneError
from provider_svc.batching.shares import Weights, share_counts
from provider_svc.documents import UNREADABLE, read_answered
from runestone.common.v1.dialect_pb2 import DIALECT_OPENAI_EMBEDDINGS, DIALECT_OPENAI_MODERATIONS, Dialect

Members = dict[str, msgspec.Raw]

NULL, FIRST = msgspec.Raw(b"null"), msgspec.Raw(b"0")

_decode_members = msgspec.json.Decoder(Members).decode
_decode_numbered = msgspec.json.Decoder(list[Members]).decode
_decode_rows = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_index = msgspec.json.Decoder(int).decode


def read_numbered(raw: bytes) -> Sequence[object]:
    """Results that say by their index which input they are for, in that order, each as if it were the only one."""
    rows = read_answered(_decode_numbered, raw)
    places = {read_answered(_decode_index, row.get("index", NULL)): {**row, "index": FIRST} for row in rows}
    if places.keys() != set(range(len(rows))):
        raise _invalid("the provider's results do not say which inputs they are for")
    return [places[place] for place in range(len(rows))]


def read_in_order(raw: bytes) -> Sequence[object]:
    """Results in the order of the inputs."""
    return read_answered(_decode_rows, raw)


class Results(NamedTuple):
    """The member that has a result for each input, and how it is read."""

    name: str
    read: Callable[[bytes], Sequence[object]]


RESULTS: dict[Dialect.ValueType, Results] = {
    DIALECT_OPENAI_EMBEDDINGS: Results("data", read_numbered),
    DIALECT_OPENAI_MODERATIONS: Results("results", read_in_order),
}


def split(dialect: Dialect.ValueType, document: bytes, weights: Weights) -> list[bytes]:
    """A document for each of as many calls as there are `weights`, which divide what was used. Raises PROVIDER_INVALID_ANSWER where there
    is not exactly one result for each."""
    whole = read_answered(_decode_members, document)
    name, read = RESULTS[dialect]
    results = read(whole.get(name, NULL))
    if len(results) != len(weights):
        raise _invalid(f"the provider answered {len(weights)} inputs with {len(results)} results")
    return [
        msgspec.json.encode({**whole, name: [result], **used})
        for result, used in zip(results, _share_usage(whole, weights), strict=True)
    ]


def _share_usage(whole: Members, weights: Weights) -> Sequence[Mapping[str, object]]:
    """The member `usage` of each; nothing where the answer has none that could be divided."""
    try:
        counts = msgspec.json.decode(whole.get("usage", NULL))
    except UNREADABLE:
        counts = None
    if not isinstance(counts, dict):
        return [{}] * len(weights)
    return [{"usage": share} for share in share_counts(counts, weights)]


def _invalid(message: str) -> RunestoneError:
    return RunestoneError(Reason.PROVIDER_INVALID_ANSWER, message, upstream_status=200)
