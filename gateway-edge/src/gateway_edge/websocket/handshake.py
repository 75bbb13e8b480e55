"""What opens a WebSocket: a GET that asks to change the protocol, and the answer (RFC 6455, section 4.2). Pure."""

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence

from msgspec import Struct

from chassis.errors import Reason, RunestoneError
from gateway_edge.http1.request import Request
from gateway_edge.websocket import deflate

MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
UPGRADE_REQUIRED = 426
VERSION = "13"
VERSION_HEADER = "sec-websocket-version"
PROTOCOL_HEADER = "sec-websocket-protocol"


class Acceptance(Struct, frozen=True, kw_only=True):
    """What is agreed on: the answer's headers, and whether messages may be compressed."""

    headers: Mapping[str, str]
    is_compressed: bool = False


class OtherProtocolError(RunestoneError):
    """The client speaks another protocol, or another version of it; it is told which is spoken here (section 4.4)."""


def wants_socket(request: Request) -> bool:
    """Whether a request asks for a WebSocket, well or badly."""
    return "upgrade" in request.headers and "websocket" in _tokens(request.headers["upgrade"])


def is_of_handshake(header: str) -> bool:
    """Whether a header means nothing behind the handshake."""
    return header.startswith("sec-websocket-") or header in {"upgrade", "connection"}


def accept(request: Request, subprotocols: Sequence[str] = (), *, may_compress: bool = False) -> Acceptance:
    """Agrees to what the request asks for. Of `subprotocols`, which may be spoken on its path, the first that the client names is; a
    client that names none of them gets none. Raises INVALID_REQUEST for what is no handshake, OtherProtocolError."""
    headers = request.headers
    if not wants_socket(request):
        raise OtherProtocolError(Reason.INVALID_REQUEST, "here a WebSocket is opened: ask to upgrade to it")
    if request.method != "GET" or request.is_http_1_0:
        raise _refuse("a WebSocket is opened by GET over HTTP/1.1")
    if "upgrade" not in _tokens(headers.get("connection", "")):
        raise _refuse("the header connection must name upgrade")
    if headers.get(VERSION_HEADER, "") != VERSION:
        raise OtherProtocolError(Reason.INVALID_REQUEST, f"the only WebSocket version spoken here is {VERSION}")
    answer = {
        "upgrade": "websocket",
        "connection": "Upgrade",
        "sec-websocket-accept": accept_key(headers.get("sec-websocket-key", "")),
    }
    offered = _names(headers.get(PROTOCOL_HEADER, ""))
    if chosen := next((name for name in subprotocols if name in offered), ""):
        answer[PROTOCOL_HEADER] = chosen
    extension = deflate.agree(headers.get("sec-websocket-extensions", "")) if may_compress else ""
    if extension:
        answer["sec-websocket-extensions"] = extension
    return Acceptance(headers=answer, is_compressed=bool(extension))


def accept_key(key: str) -> str:
    """What answers `sec-websocket-key`. Raises INVALID_REQUEST unless that is 16 bytes in base64."""
    try:
        is_key = len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        is_key = False
    if not is_key:
        raise _refuse("the header sec-websocket-key must be 16 bytes in base64")
    return base64.b64encode(hashlib.sha1(key.encode() + MAGIC).digest()).decode()  # noqa: S324  the protocol's own


def _names(header: str) -> list[str]:
    return [name.strip() for name in header.split(",")]


def _tokens(header: str) -> set[str]:
    return {name.lower() for name in _names(header)}


def _refuse(message: str) -> RunestoneError:
    return RunestoneError(Reason.INVALID_REQUEST, message, code="invalid_handshake")
