"""Responses that a provider has stored: where each is asked for, and how what comes is read. Pure.

What is read here was metered when it was made, and is so only once. A response that failed is no failure to read it.
"""

from typing import NamedTuple
from urllib.parse import quote, urlencode

import msgspec

from provider_svc.documents import read_answered
from provider_svc.endpoint import Endpoint
from provider_svc.openai.response import raise_error
from provider_svc.openai.responses import ENDS, Event, tell_failure
from provider_svc.openai.schema import NULL
from provider_svc.provider import Kept, Meter, UpstreamCall
from provider_svc.relay import Fate, TypedWatcher
from runestone.provider.v1.provider_pb2 import Resource

PATH = "/responses"
STARTING_AFTER = "starting_after"


class Access(NamedTuple):
    """A method, and what stands behind the id."""

    method: str
    suffix: str = ""


ACCESSES: dict[Resource.Action.ValueType, Access] = {
    Resource.ACTION_GET: Access("GET"),
    Resource.ACTION_DELETE: Access("DELETE"),
    Resource.ACTION_CANCEL: Access("POST", "/cancel"),
    Resource.ACTION_INPUT_ITEMS: Access("GET", "/input_items"),
}

# A stream that is read again may end with the news that making it failed.
LAST = ENDS | {"response.failed"}


class Document(msgspec.Struct):
    """What any of them answers: an `object` of some kind, else an error."""

    object: str = ""
    error: msgspec.Raw = NULL


_decode_document = msgspec.json.Decoder(Document).decode
_decode_event = msgspec.json.Decoder(Event).decode


def write_access(kept: Kept) -> tuple[str, str]:
    """Method and path below the base URL. The id is of an alphabet that needs no escaping."""
    access = ACCESSES[kept.action]
    query = f"?{urlencode(kept.query, quote_via=quote)}" if kept.query else ""
    return access.method, f"{PATH}/{kept.id}{access.suffix}{query}"


def read_stored(body: bytes, meter: Meter) -> None:  # noqa: ARG001  an endpoint's signature
    """Raises what an error object says that came in the place of a document, and PROVIDER_INVALID_ANSWER for what is no JSON."""
    document = read_answered(_decode_document, body)
    if not document.object:
        raise_error(document.error, body)


class StoredWatcher(TypedWatcher):
    """Watches a stream up to its last event, whatever that says. One that is asked for `from_behind` may have none any more."""

    def __init__(self, *, from_behind: bool) -> None:
        super().__init__(read_event)
        self.is_whole = from_behind

    def passes(self, frame: bytes) -> bool:
        """As any; from its first event on a stream has to have its last one."""
        self.is_whole = False
        return super().passes(frame)


def watch_stored(call: UpstreamCall) -> StoredWatcher:
    """Of what is kept, or of what is left of it."""
    return StoredWatcher(from_behind=call.kept is not None and STARTING_AFTER in dict(call.kept.query))


def read_event(data: bytes) -> Fate:
    """What one event means. Raises what an `error` says, and PROVIDER_INVALID_ANSWER for what is none."""
    event = read_answered(_decode_event, data, within="stream")
    if event.type == "error":
        raise tell_failure(data)
    if event.type not in LAST:
        raise_error(event.error, data)
        return Fate.GOES_ON
    return Fate.IS_OVER


STORED = Endpoint(PATH, read_stored, watch_stored)
