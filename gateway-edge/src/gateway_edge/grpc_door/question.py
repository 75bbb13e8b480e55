"""From what a caller says first to what a request would ask. Pure."""

from collections.abc import Iterable, Mapping
from urllib.parse import urlencode

from msgspec import Struct

from chassis.errors import Reason, RunestoneError
from gateway_edge.door.intake import RESUMABLE, TIMEOUT_HEADER, wants_resumable
from gateway_edge.question.body import replace_member
from gateway_edge.streams.note import is_stream_id
from runestone.gateway.v1.gateway_pb2 import Attach, CallRequest, Open

DEFAULT_ENDPOINT = "/v1/chat/completions"
STREAMS = "/v1/streams/"
CREDENTIALS = frozenset({"authorization", "x-api-key", "api-key"})
SLACK = 0.02  # seconds before the rpc's deadline, so that the caller can still be told why

Metadata = Iterable[tuple[str, str | bytes]]


class Asked(Struct, frozen=True, kw_only=True):
    """What a request would have in its first line, its headers (in lower case) and its body. `stream_id` and `after_seq` are there where
    a stream goes on: `after_seq` events were read of it."""

    path: str
    headers: Mapping[str, str]
    method: str = "POST"
    query: str = ""
    body: bytes = b""
    stream_id: str = ""
    after_seq: int = 0

    @property
    def is_resumable(self) -> bool:
        """Whether a stream that is begun so goes on when its rpc ends."""
        return wants_resumable(self.headers)


def check_size(asked: Asked, most: int) -> None:
    """Raises BODY_TOO_LARGE for a body above `most` bytes."""
    if len(asked.body) > most:
        raise RunestoneError(Reason.BODY_TOO_LARGE, f"the request body is larger than {most} bytes")


def read_headers(metadata: Metadata, time_left: float | None) -> dict[str, str]:
    """The request headers that metadata stands for. The rpc's deadline, where it has one (`time_left` in seconds), bounds the call."""
    headers = {name: value for name, value in metadata if isinstance(value, str) and not name.startswith(":")}
    if time_left is not None:
        milliseconds = max(1, int((time_left - SLACK) * 1000))
        own = headers.get(TIMEOUT_HEADER, "")
        headers[TIMEOUT_HEADER] = str(min(int(own), milliseconds) if own.isdecimal() and int(own) else milliseconds)
    return headers


def read_first(request: CallRequest, headers: Mapping[str, str]) -> Asked:
    """What the first message asks. Raises INVALID_REQUEST for what asks nothing, or what no request could ask."""
    match request.WhichOneof("message"):
        case "open":
            return _read_open(request.open, headers)
        case "attach":
            return _read_attach(request.attach, headers)
    raise RunestoneError(Reason.INVALID_REQUEST, "the first message must be `open` or `attach`")


def _read_open(asked: Open, metadata: Mapping[str, str]) -> Asked:
    headers = {**metadata, **_read_own_headers(asked.headers)}
    if asked.resumable:
        headers[RESUMABLE] = "1"
    body = asked.body
    if asked.HasField("stream"):
        body = replace_member(body, "stream", value=asked.stream)
    return Asked(path=asked.endpoint or DEFAULT_ENDPOINT, headers=headers, body=body)


def _read_own_headers(own: Mapping[str, str]) -> dict[str, str]:
    headers = {name.lower(): value for name, value in own.items()}
    if credentials := CREDENTIALS & headers.keys():
        message = f"credentials belong in metadata, not in `open.headers`: {min(credentials)}"
        raise RunestoneError(Reason.INVALID_REQUEST, message, param="headers")
    for name, value in headers.items():
        if not (name.isascii() and value.isprintable()):
            raise RunestoneError(Reason.INVALID_REQUEST, "no header could be written so", param="headers")
    return headers


def _read_attach(asked: Attach, headers: Mapping[str, str]) -> Asked:
    if not is_stream_id(asked.stream_id):
        raise RunestoneError(Reason.INVALID_REQUEST, "no stream has such an id", param="stream_id")
    return Asked(
        method="GET",
        path=STREAMS + asked.stream_id,
        query=urlencode({"starting_after": asked.after_seq}),
        headers=headers,
        stream_id=asked.stream_id,
        after_seq=asked.after_seq,
    )


def read_address(peer: str) -> str:
    """The IP address in a grpc peer (`ipv4:127.0.0.1:50000`, `ipv6:%5B::1%5D:50000`); empty for another kind."""
    kind, _, rest = peer.partition(":")
    host = rest.rpartition(":")[0]
    if kind == "ipv4":
        return host
    return host.removeprefix("%5B").removesuffix("%5D").strip("[]") if kind == "ipv6" else ""
