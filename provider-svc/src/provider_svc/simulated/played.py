"""What the simulated provider says to one call, in whatever dialect."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import NamedTuple

import msgspec
import orjson

from provider_svc.provider import UpstreamCall
from runestone.common.v1.usage_pb2 import Usage

Json = dict[str, object]

DONE = b"data: [DONE]\n\n"


class Asked(NamedTuple):
    """A call, how many words to answer at most, and when it came (seconds since the epoch)."""

    call: UpstreamCall
    words: int
    created: int

    @property
    def members(self) -> Mapping[str, msgspec.Raw]:
        """The client's members."""
        return self.call.members


class Played(NamedTuple):
    """A whole answer as bytes: `parts` are the document alone, or the events of a stream."""

    id: str
    parts: Sequence[bytes]
    usage: Usage | None = None
    finish_reason: str = ""


def make_id(prefix: str, call_id: str) -> str:
    """An id that follows from the call's."""
    return f"{prefix}-{sha256(call_id.encode()).hexdigest()[:29]}"


def write_event(data: Json) -> bytes:
    """One SSE event."""
    return b"data: %b\n\n" % orjson.dumps(data)
