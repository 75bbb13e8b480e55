"""Page tokens: where a page ended, bound to the search that it was a page of."""

import base64
import hashlib
import struct
from collections.abc import Sequence
from dataclasses import astuple

from audit_svc.store import Conditions, Entry, Position
from chassis.errors import Reason, RunestoneError

DEFAULT_SIZE, MAX_SIZE = 100, 1_000
MAX_BYTES = 32 << 20  # of a page's records: well below what one message may have

_HEAD = struct.Struct(">16sq")  # the search's digest, and the last record's start


def page_size(asked: int) -> int:
    """How many records a page holds when the request says `asked`."""
    return min(asked or DEFAULT_SIZE, MAX_SIZE)


def cut_page(entries: Sequence[Entry], size: int) -> Sequence[Entry]:
    """As many as a page of `size` holds, fewer where they are large; one whatever its size."""
    filled = 0
    for count, entry in enumerate(entries[:size]):
        filled += len(entry.record)
        if filled > MAX_BYTES:
            return entries[: max(count, 1)]
    return entries[:size]


def write_token(conditions: Conditions, last: Position) -> str:
    """The token that continues a search after `last`.

    It is opaque but no secret: a forged one only reaches what the same search finds anyway.
    """
    token = _HEAD.pack(_digest(conditions), last.started_at) + last.request_id.encode()
    return base64.urlsafe_b64encode(token).decode()


def read_token(token: str, conditions: Conditions) -> Position | None:
    """Where the search continues; None for the first page.

    Raises RunestoneError INVALID_REQUEST for a token that `write_token` did not write for the same conditions.
    """
    if not token:
        return None
    try:
        raw = base64.b64decode(token, altchars=b"-_", validate=True)
        digest, started_at = _HEAD.unpack_from(raw)
        position = Position(started_at, raw[_HEAD.size :].decode())
    except (ValueError, struct.error) as error:
        raise _refusal() from error
    if digest != _digest(conditions):
        raise _refusal()
    return position


def _refusal() -> RunestoneError:
    message = "the page token is not from this search; keep the other conditions, or start again without it"
    return RunestoneError(Reason.INVALID_REQUEST, message, param="page_token")


def _digest(conditions: Conditions) -> bytes:
    """Names the search; `repr` quotes every condition, so that no two searches read the same."""
    return hashlib.sha256(repr(astuple(conditions)).encode(errors="surrogatepass")).digest()[:16]
