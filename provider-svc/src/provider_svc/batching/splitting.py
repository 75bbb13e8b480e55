"""One answer to several calls, as the answers that each would have got alone. Pure.

What stands in the answer stays the provider's own bytes: no number of a vector is read.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from chassis.errors import Reason, RunestoneError
from provider_svc.batching.shares import Weights, share_counts
from provider_svc.documents import UNREADABLE, read_answered
from runestone.common.v1.dialect_pb2 import DIALECT_OPENAI_EMBEDDINGS, DIALECT_OPENAI_MODERATIONS, Dialect

Members = dict[str, msgspec.Raw]


class Rows(NamedTuple):
    """The member that has an answer for each input. `are_numbered`: each says for which; else they are in the order of the inputs."""

    name: str
    are_numbered: bool


ROWS: dict[Dialect.ValueType, Rows] = {
    DIALECT_OPENAI_EMBEDDINGS: Rows("data", are_numbered=True),
    DIALECT_OPENAI_MODERATIONS: Rows("results", are_numbered=False),
}
FIRST = msgspec.Raw(b"0")

_decode_members = msgspec.json.Decoder(Members).decode
_decode_rows = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_index = msgspec.json.Decoder(int).decode


def split(dialect: Dialect.ValueType, document: bytes, weights: Weights) -> list[bytes]:
    """A document for each of as many calls as there are `weights`, which divide what was used. Raises PROVIDER_INVALID_ANSWER where there
    is not exactly one answer for each."""
    whole = read_answered(_decode_members, document)
    name, are_numbered = ROWS[dialect]
    rows = _list_rows(whole, name, len(weights))
    answers = _put_in_order(rows) if are_numbered else rows
    return [
        msgspec.json.encode({**whole, name: [answer], **counted})
        for answer, counted in zip(answers, _share_usage(whole, weights), strict=True)
    ]


def _list_rows(whole: Members, name: str, expected: int) -> list[msgspec.Raw]:
    rows = read_answered(_decode_rows, whole[name]) if name in whole else []
    if len(rows) != expected:
        raise _invalid(f"the provider answered {expected} inputs with {len(rows)} results")
    return rows


def _put_in_order(rows: Sequence[msgspec.Raw]) -> Sequence[Members]:
    """The rows by what they say that they answer, each as if it were the only one."""
    places: dict[int, Members] = {}
    for raw in rows:
        row = read_answered(_decode_members, raw)
        places[_read_index(row)] = {**row, "index": FIRST}
    if places.keys() != set(range(len(rows))):
        raise _invalid("the provider's results do not say which inputs they are for")
    return [places[place] for place in range(len(rows))]


def _read_index(row: Members) -> int:
    return read_answered(_decode_index, row.get("index", msgspec.Raw(b"null")))


def _share_usage(whole: Members, weights: Weights) -> Sequence[Mapping[str, object]]:
    """The member `usage` of each; none where the answer has none that could be divided."""
    try:
        counts = msgspec.json.decode(whole.get("usage", b"null"))
    except UNREADABLE:
        counts = None
    if not isinstance(counts, dict):
        return [{}] * len(weights)
    return [{"usage": share} for share in share_counts(counts, weights)]


def _invalid(message: str) -> RunestoneError:
    return RunestoneError(Reason.PROVIDER_INVALID_ANSWER, message, upstream_status=200)
