"""The voices: OpenAI's, that of its Responses, and Anthropic's. Pure.

The status of an error is the same in every voice; so are the hints when to try again.
"""

import re

import orjson

from chassis.errors import RunestoneError
from gateway_edge.door.errors import MEANINGS, error_body, error_event, http_status
from gateway_edge.endpoints.voice import Voice

REQUEST_ID = "request-id"

# Anthropic's types, by status; any other is an `api_error`. Its own 529 is our 503: its clients try again after either.
ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "invalid_request_error",
    413: "request_too_large",
    422: "invalid_request_error",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}
ANTHROPIC_PING = b'event: ping\ndata: {"type": "ping"}\n\n'
COMMENT = b": ping\n\n"

_NUMBER = re.compile(rb'"sequence_number" ?: ?(\d+)')


def _openai_body(error: RunestoneError, call_id: str) -> bytes:  # noqa: ARG001  a voice's signature
    return error_body(error)


def _openai_event(error: RunestoneError, call_id: str, last: bytes) -> bytes:  # noqa: ARG001  a voice's signature
    return error_event(error)


def _responses_event(error: RunestoneError, call_id: str, last: bytes) -> bytes:  # noqa: ARG001  a voice's signature
    """OpenAI's `ResponseErrorEvent`, numbered behind the last event that was sent."""
    numbers = _NUMBER.findall(last)
    document = {
        "type": "error",
        "code": error.code or MEANINGS[error.reason].code or MEANINGS[error.reason].type,
        "message": error.message,
        "param": error.param or None,
        "sequence_number": int(numbers[-1]) + 1 if numbers else 0,
    }
    return b"event: error\ndata: " + orjson.dumps(document) + b"\n\n"


def _anthropic_body(error: RunestoneError, call_id: str) -> bytes:
    kind = ANTHROPIC_TYPES.get(http_status(error), "api_error")
    return orjson.dumps(
        {"type": "error", "error": {"type": kind, "message": error.message}, "request_id": call_id or None}
    )


def _anthropic_event(error: RunestoneError, call_id: str, last: bytes) -> bytes:  # noqa: ARG001  a voice's signature
    return b"event: error\ndata: " + _anthropic_body(error, call_id) + b"\n\n"


OPENAI = Voice(COMMENT, _openai_body, _openai_event)
RESPONSES = Voice(COMMENT, _openai_body, _responses_event)
ANTHROPIC = Voice(ANTHROPIC_PING, _anthropic_body, _anthropic_event, REQUEST_ID)
