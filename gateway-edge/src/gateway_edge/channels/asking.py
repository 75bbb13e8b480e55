"""What a message asks of a model: the same request as over HTTP. Pure."""

from collections.abc import Mapping

import msgspec

from chassis.errors import Reason, RunestoneError
from gateway_edge.callers.session import Session
from gateway_edge.channels.channel import Payload
from gateway_edge.door.intake import RESUMABLE
from gateway_edge.endpoints.table import CHAT, ENDPOINTS
from gateway_edge.messages.message import WEBSOCKET, Message
from gateway_edge.question.body import has_duplicate_keys

# Headers that a message may carry: what a request could say of the cache, of itself, and to its provider.
ALLOWED = frozenset({"cache-control", "idempotency-key", "traceparent", "tracestate"}).union(
    *(endpoint.headers for endpoint in ENDPOINTS.values())
)
OWN = "x-runestone-"
MOST_HEADERS, LONGEST_PATH, LONGEST_VALUE = 32, 256, 4096

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in `chat:stream` and `chat:message`: the `request` as a body would be, where it goes, headers of its own."""

    request: msgspec.Raw
    endpoint: str = CHAT.path
    headers: dict[str, str] = {}


def read_ask(payload: Payload) -> Ask:
    """What is asked; a binary payload is the request itself. Raises INVALID_REQUEST."""
    if payload.is_binary:
        return Ask(request=msgspec.Raw(payload.data))
    ask = payload.read(Ask)
    if len(ask.endpoint) > LONGEST_PATH:
        raise RunestoneError(Reason.INVALID_REQUEST, "`endpoint` is no path of the API", param="endpoint")
    return ask


def make_message(session: Session, ask: Ask, *, is_stream: bool, traceparent: str = "") -> Message:
    """The call that is asked for, as a stream or as one document whatever its `stream` says; a stream outlives its connection.
    `traceparent` holds where the message has none. Raises INVALID_REQUEST for headers that no message carries."""
    headers = {"traceparent": traceparent} if traceparent else {}
    headers |= _read_headers(ask.headers)
    headers.pop(RESUMABLE, None)
    if is_stream:
        headers[RESUMABLE] = "1"
    body = set_stream(bytes(ask.request), is_stream=is_stream)
    return Message(session=session, front=WEBSOCKET, path=ask.endpoint, headers=headers, body=body)


def set_stream(body: bytes, *, is_stream: bool) -> bytes:
    """`body` with that `stream`; the same bytes where it says so, or where it is nothing that could be asked."""
    try:
        members = _members.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body
    said = members.get("stream")
    if said is None:
        return _add_stream(body, members) if is_stream else body
    wanted, other = (b"true", b"false") if is_stream else (b"false", b"true")
    if bytes(said) != other:
        return body  # as wanted, or none of both, which is refused where it is read
    if has_duplicate_keys(body):
        return body  # also refused there
    return msgspec.json.encode(members | {"stream": msgspec.Raw(wanted)})


def _add_stream(body: bytes, members: Mapping[str, msgspec.Raw]) -> bytes:
    return body.rstrip()[:-1] + (b"," if members else b"") + b'"stream":true}'


def _read_headers(headers: Mapping[str, str]) -> dict[str, str]:
    if len(headers) > MOST_HEADERS:
        raise RunestoneError(Reason.INVALID_REQUEST, f"more than {MOST_HEADERS} headers", param="headers")
    read = {name.lower(): value for name, value in headers.items()}
    for name, value in read.items():
        if name not in ALLOWED and not name.startswith(OWN):
            message = f"a message carries no header `{name[:64]}`"
            raise RunestoneError(Reason.INVALID_REQUEST, message, param="headers")
        if len(value) > LONGEST_VALUE or not (value.isascii() and (value.isprintable())):
            message = f"the header `{name[:64]}` is not printable ASCII of at most {LONGEST_VALUE} characters"
            raise RunestoneError(Reason.INVALID_REQUEST, message, param="headers")
    return read
