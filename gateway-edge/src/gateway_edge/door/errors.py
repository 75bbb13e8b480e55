"""What each reason is over HTTP: one table, and the one place that renders an error in OpenAI's shape.

The status is what OpenAI's SDK chooses its exception by; `x-should-retry` and the two `retry-after` headers are what it
obeys before its own rules.
"""

from dataclasses import dataclass
from http import HTTPStatus

import orjson

from chassis.errors import Reason, RunestoneError
from gateway_edge.http1.response import write_head, write_length

CLIENT_CLOSED_REQUEST = 499  # nginx's own, for records: nobody is there to read it


@dataclass(frozen=True, slots=True)
class HttpMeaning:
    """A status, OpenAI's `type` and `code`, and whether asking again may help (None: the SDK's own rules decide)."""

    status: int
    type: str
    code: str | None = None
    should_retry: bool | None = None


_BAD = "invalid_request_error"
_UPSTREAM = "upstream_error"

MEANINGS: dict[Reason, HttpMeaning] = {
    Reason.INVALID_REQUEST: HttpMeaning(400, _BAD),
    Reason.AUTHENTICATION_FAILED: HttpMeaning(401, "authentication_error", "invalid_api_key"),
    Reason.PERMISSION_DENIED: HttpMeaning(403, "permission_error", "permission_denied"),
    Reason.ROUTE_NOT_FOUND: HttpMeaning(404, _BAD, "unknown_url"),
    Reason.MODEL_NOT_FOUND: HttpMeaning(404, _BAD, "model_not_found"),
    Reason.NOT_FOUND: HttpMeaning(404, _BAD, "not_found"),
    Reason.CALL_EXISTS: HttpMeaning(409, _BAD, "call_exists"),
    Reason.IDEMPOTENCY_KEY_IN_USE: HttpMeaning(409, _BAD, "idempotency_key_in_use", should_retry=True),
    Reason.IDEMPOTENCY_KEY_REUSED: HttpMeaning(422, _BAD, "idempotency_key_reused", should_retry=False),
    Reason.REQUEST_TIMEOUT: HttpMeaning(408, "timeout_error", "request_timeout"),
    Reason.BODY_TOO_LARGE: HttpMeaning(413, _BAD, "body_too_large"),
    Reason.RATE_LIMITED: HttpMeaning(429, "rate_limit_error", "rate_limit_exceeded", should_retry=True),
    Reason.OVERLOADED: HttpMeaning(503, "overloaded_error", "overloaded", should_retry=True),
    Reason.CANCELLED: HttpMeaning(CLIENT_CLOSED_REQUEST, "cancelled", "cancelled"),
    Reason.DEADLINE_EXCEEDED: HttpMeaning(504, "timeout_error", "deadline_exceeded"),
    Reason.UNAVAILABLE: HttpMeaning(503, "server_error", "unavailable", should_retry=True),
    Reason.LIMITER_UNAVAILABLE: HttpMeaning(503, "server_error", "limiter_unavailable", should_retry=True),
    Reason.AUDIT_SPOOL_FULL: HttpMeaning(503, "server_error", "audit_unavailable", should_retry=True),
    Reason.PROVIDER_REFUSED: HttpMeaning(400, _BAD, should_retry=False),
    Reason.PROVIDER_RATE_LIMITED: HttpMeaning(429, "rate_limit_error", "provider_rate_limited", should_retry=True),
    Reason.PROVIDER_OVERLOADED: HttpMeaning(503, "overloaded_error", "provider_overloaded", should_retry=True),
    Reason.PROVIDER_FAILED: HttpMeaning(502, _UPSTREAM, "provider_failed"),
    Reason.PROVIDER_CREDENTIALS_REFUSED: HttpMeaning(
        502, _UPSTREAM, "provider_credentials_refused", should_retry=False
    ),
    Reason.PROVIDER_UNREACHABLE: HttpMeaning(502, _UPSTREAM, "provider_unreachable"),
    Reason.PROVIDER_TIMEOUT: HttpMeaning(504, "timeout_error", "provider_timeout"),
    Reason.PROVIDER_INVALID_ANSWER: HttpMeaning(502, _UPSTREAM, "provider_invalid_answer"),
    Reason.PROVIDER_STREAM_CUT: HttpMeaning(502, _UPSTREAM, "provider_stream_cut"),
    Reason.EVENTS_LOST: HttpMeaning(500, "server_error", "events_lost"),
    Reason.INTERNAL: HttpMeaning(500, "server_error", "internal_error"),
    Reason.UNIMPLEMENTED: HttpMeaning(500, "server_error", "unimplemented"),
}

# What a provider's own refusal is to the client: its words and its status, where that status means the request.
_RELAYED_STATUSES = frozenset(
    {HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY}
)


def http_status(error: RunestoneError) -> int:
    """The HTTP status of `error`."""
    if error.reason is Reason.PROVIDER_REFUSED and error.upstream_status in _RELAYED_STATUSES:
        return error.upstream_status
    return MEANINGS[error.reason].status


def error_body(error: RunestoneError) -> bytes:
    """OpenAI's error object."""
    meaning = MEANINGS[error.reason]
    return orjson.dumps(
        {
            "error": {
                "message": error.message,
                "type": meaning.type,
                "param": error.param or None,
                "code": error.code or meaning.code,
            }
        }
    )


def error_event(error: RunestoneError) -> bytes:
    """The last event of a stream that failed: OpenAI's SDK raises on it, and no `[DONE]` follows."""
    return b"data: " + error_body(error) + b"\n\n"


def error_headers(error: RunestoneError) -> dict[str, str]:
    """The retry hints of `error`, exact to the millisecond; `retry-after` is rounded up to whole seconds (RFC 9110)."""
    headers: dict[str, str] = {}
    if (should_retry := MEANINGS[error.reason].should_retry) is not None:
        headers["x-should-retry"] = "true" if should_retry else "false"
    if error.retry_after is not None:
        milliseconds = -int(-error.retry_after * 1000 // 1)
        headers["retry-after-ms"] = str(milliseconds)
        headers["retry-after"] = str(-(-milliseconds // 1000))
    return headers


def write_refusal(error: RunestoneError) -> bytes:
    """The whole answer to a connection that gets no further: `error`, and the end."""
    body = error_body(error)
    headers = {"content-type": "application/json", **error_headers(error)}
    return write_head(http_status(error), headers, framing=write_length(len(body)), keeps_alive=False) + body
