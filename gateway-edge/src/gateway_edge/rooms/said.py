"""What is said to a room, as it stands in shared state, and as members are told. Pure."""

import msgspec
import orjson
from msgspec import Raw, Struct

MESSAGE = "room:message"
ANSWER = "room:answer"
STARTED = "stream:started"
ENDED = "stream:ended"
PAUSED, RESUMED, CANCELLED = "stream:paused", "stream:resumed", "stream:cancelled"

KEPT = frozenset({MESSAGE, ANSWER, STARTED, ENDED})  # told to those who come later
UNTOLD = frozenset({ENDED})  # told in the history only: who is there sees the end itself


class Said(Struct, frozen=True, omit_defaults=True):
    """`told` is the object that members are told; `api_key` names the key of who said it, for edges that ask something for them."""

    told: Raw
    api_key: str = ""


class Started(Struct, frozen=True):
    """Of a stream's beginning: which it is, and whose presence asked."""

    stream_id: str
    by: str = msgspec.field(default="", name="from")
    ref: str = ""


_read_said = msgspec.json.Decoder(Said).decode
_read_started = msgspec.json.Decoder(Started).decode


def write_said(told: dict[str, object], api_key: str = "") -> bytes:
    """As it stands in shared state."""
    return orjson.dumps({"told": told, "api_key": api_key} if api_key else {"told": told})


def read_said(payload: bytes) -> Said | None:
    """None for what no edge of this version wrote."""
    try:
        said = _read_said(payload)
    except msgspec.MsgspecError:
        return None
    return said if bytes(said.told).startswith(b"{") else None


def read_started(told: bytes) -> Started | None:
    """None for what no edge of this version wrote."""
    try:
        return _read_started(told)
    except msgspec.MsgspecError:
        return None


def tell(said: Said, position: int) -> bytes:
    """As members are told, with its position."""
    rest = bytes(said.told)[1:].lstrip()
    return b'{"position":%d%s%s' % (position, b"" if rest.startswith(b"}") else b",", rest)
