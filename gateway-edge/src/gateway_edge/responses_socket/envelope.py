"""What a client sends on a Responses socket, and how it is answered. Pure.

`response.create` is the body of `POST /v1/responses` with a name and, where several go on at once, a lane; each server-sent event of the
answer becomes one text message with the lane in it. OpenAI's SDK is the reference (`openai/types/responses`).
"""

import re
from typing import Any

import msgspec
import orjson
from msgspec import Struct

from chassis.errors import Reason, RunestoneError
from chassis.sse import read_event
from gateway_edge.door.errors import MEANINGS, error_headers, http_status
from gateway_edge.question.body import decode_object

CREATE, STEER = "response.create", "response.steer"
OWN = ("type", "stream_id", "stream", "background", "generate")  # members that mean something here, and nothing behind
LIMIT_REACHED = "websocket_connection_limit_reached"

_LANE = re.compile(r"[A-Za-z0-9_.-]{1,256}")
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Turn(Struct, frozen=True):
    """One response that is asked for: the body of its request, and the lane that it goes on; None without one."""

    body: bytes
    lane: str | None


class Steer(Struct, frozen=True):
    """Input for a response that runs."""

    document: dict[str, Any]


class TurnError(Exception):
    """What was asked cannot be; `lane` is the one that it came on, as far as that could be read."""

    def __init__(self, error: RunestoneError, lane: str | None) -> None:
        super().__init__(error.message)
        self.error = error
        self.lane = lane


def read_message(message: bytes, max_depth: int) -> Turn | Steer:
    """What a client's message asks for. Raises TurnError."""
    try:
        document = decode_object(message, max_depth)
    except RunestoneError as error:
        raise TurnError(error, None) from error
    lane = document.get("stream_id")
    if lane is not None and (not isinstance(lane, str) or not _LANE.fullmatch(lane)):
        text = "stream_id must be 1 to 256 ASCII letters, digits, underscores, hyphens or periods"
        raise _refuse(text, "stream_id", None)
    kind = document.get("type")
    if kind == STEER:
        return Steer(document)
    if kind != CREATE:
        raise _refuse(f"the type of a message must be {CREATE}", "type", lane)
    if document.get("background"):
        raise _refuse("background is not supported over a WebSocket", "background", lane)
    if document.get("generate") is False:
        raise _refuse("generate: false is not supported here", "generate", lane)
    return Turn(_write_body(message), lane)


def _write_body(message: bytes) -> bytes:
    """The request's body: the client's own bytes, but for what is this envelope's."""
    members = {name: value for name, value in _members.decode(message).items() if name not in OWN}
    return msgspec.json.encode({**members, "stream": True})


def write_event(frame: bytes, lane: str | None) -> bytes:
    """The message of one server-sent event; empty for what holds no event: comments, and the `[DONE]` of other endpoints."""
    data = read_event(frame).data
    if not data.startswith(b"{"):
        return b""
    if lane is None:
        return data
    rest = data[1:].lstrip()
    return b'{"stream_id":"%s"%s%s' % (lane.encode(), b"" if rest.startswith(b"}") else b",", rest)


def write_document(body: bytes, lane: str | None) -> bytes:
    """The message of an answer that came whole."""
    return write_event(b'data: {"type":"response.completed","sequence_number":0,"response":%s}\n\n' % body, lane)


def write_error(error: RunestoneError, lane: str | None, *, number: int | None = None) -> bytes:
    """The message that ends a turn that failed, and says so. `number` is that of the turn's event, where one was sent."""
    meaning = MEANINGS[error.reason]
    told: dict[str, Any] = {
        "type": meaning.type,
        "code": error.code or meaning.code,
        "message": error.message,
        "param": error.param or None,
    }
    if headers := error_headers(error):
        told["headers"] = headers
    document: dict[str, Any] = {"type": "error", "status": http_status(error), "error": told}
    if number is not None:
        document["sequence_number"] = number
    if lane is not None:
        document["stream_id"] = lane
    return orjson.dumps(document)


def write_steer_refusal(steer: Steer) -> bytes:
    """Gives the input back: no provider takes any while it answers over HTTP."""
    document = steer.document
    return orjson.dumps(
        {
            "type": "response.steer.failed",
            "sequence_number": 0,
            "error": {
                "type": "invalid_request_error",
                "code": "steering_not_supported",
                "message": "responses cannot be steered here; send the input with the next response.create",
            },
            "steer": {
                "previous_response_id": document.get("previous_response_id"),
                "input": document.get("input"),
            },
        }
    )


def _refuse(message: str, param: str, lane: str | None) -> TurnError:
    return TurnError(RunestoneError(Reason.INVALID_REQUEST, message, param=param), lane)
