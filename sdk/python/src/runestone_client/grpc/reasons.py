"""What a reason would be over HTTP. Pure.

The same table as the gateway's own, which a test compares: a client is installed without the gateway.
"""

from collections.abc import Mapping

UNKNOWN = 500

STATUSES: Mapping[str, int] = {
    "INVALID_REQUEST": 400,
    "AUTHENTICATION_FAILED": 401,
    "PERMISSION_DENIED": 403,
    "ROUTE_NOT_FOUND": 404,
    "MODEL_NOT_FOUND": 404,
    "NOT_FOUND": 404,
    "REQUEST_TIMEOUT": 408,
    "BODY_TOO_LARGE": 413,
    "RATE_LIMITED": 429,
    "OVERLOADED": 503,
    "CANCELLED": 499,
    "DEADLINE_EXCEEDED": 504,
    "UNAVAILABLE": 503,
    "LIMITER_UNAVAILABLE": 503,
    "AUDIT_SPOOL_FULL": 503,
    "PROVIDER_REFUSED": 400,
    "PROVIDER_RATE_LIMITED": 429,
    "PROVIDER_OVERLOADED": 503,
    "PROVIDER_FAILED": 502,
    "PROVIDER_CREDENTIALS_REFUSED": 502,
    "PROVIDER_UNREACHABLE": 502,
    "PROVIDER_TIMEOUT": 504,
    "PROVIDER_INVALID_ANSWER": 502,
    "PROVIDER_STREAM_CUT": 502,
    "EVENTS_LOST": 500,
    "INTERNAL": 500,
    "UNIMPLEMENTED": 500,
    "CALL_EXISTS": 409,
    "IDEMPOTENCY_KEY_IN_USE": 409,
    "IDEMPOTENCY_KEY_REUSED": 422,
}


def read_status(reason: str) -> int:
    """What a newer gateway says, that is not known here, is its own fault."""
    return STATUSES.get(reason, UNKNOWN)
