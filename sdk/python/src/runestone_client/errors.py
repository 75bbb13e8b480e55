"""What can go wrong, as exceptions: what the gateway says, by its status; and what happens on the way to it. Pure."""

from collections.abc import Mapping
from typing import Any


class RunestoneError(Exception):
    """All of them."""


class GatewayError(RunestoneError):
    """The gateway says no. `status` is what it would be over HTTP, `reason` Runestone's own word for it, `code` and `param` are as OpenAI's;
    `retry_after` are the seconds after which it may be tried again, where they are known."""

    def __init__(
        self,
        message: str,
        *,
        reason: str = "",
        status: int = 500,
        kind: str = "",
        code: str | None = None,
        param: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.reason, self.status, self.kind = reason, status, kind
        self.code, self.param, self.retry_after = code, param, retry_after


class InvalidRequestError(GatewayError):
    """400, 413, 422: it is wrong whenever it is sent."""


class AuthenticationError(GatewayError):
    """401: the key is none."""


class PermissionDeniedError(GatewayError):
    """403: the key may not do that."""


class NotFoundError(GatewayError):
    """404: no such model, route, room, stream; or a stream that is no longer kept."""


class ConflictError(GatewayError):
    """409."""


class RateLimitError(GatewayError):
    """429: too much, for now."""


class StreamCancelledError(GatewayError):
    """499: somebody cancelled it; `by` says who, in a room."""

    def __init__(self, message: str, *, by: str | None = None, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.by = by


class ProviderError(GatewayError):
    """502: the model's provider failed, or its answer was cut."""


class UnavailableError(GatewayError):
    """503: a part is down, stops, or has too much to do."""


class DeadlineExceededError(GatewayError):
    """408, 504: it took too long; also of a stream that was paused too long."""


class ConnectionLostError(RunestoneError, ConnectionError):
    """The connection is lost. `may_have_run`: what was asked had been sent, and its answer will not come. `code` is WebSocket's."""

    def __init__(self, message: str, *, code: int | None = None, may_have_run: bool = False) -> None:
        super().__init__(message)
        self.code, self.may_have_run = code, may_have_run


class ClosedError(RunestoneError):
    """The client, the session or the room was closed."""


class ReplyTimeoutError(RunestoneError, TimeoutError):
    """Nothing came in time. `may_have_run`: it had been sent."""

    def __init__(self, message: str, *, may_have_run: bool = False) -> None:
        super().__init__(message)
        self.may_have_run = may_have_run


class QueueFullError(RunestoneError):
    """Too much waits for a connection; this was not taken."""


class EventsLostError(RunestoneError):
    """A stream's numbers have a gap: what comes is not what was said."""


class ReadTooSlowlyError(RunestoneError):
    """More came than may wait for who reads; the rest was dropped."""


BY_STATUS: Mapping[int, type[GatewayError]] = {
    400: InvalidRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    408: DeadlineExceededError,
    409: ConflictError,
    413: InvalidRequestError,
    422: InvalidRequestError,
    429: RateLimitError,
    499: StreamCancelledError,
    502: ProviderError,
    503: UnavailableError,
    504: DeadlineExceededError,
}
# What Phoenix itself refuses has a reason and nothing else.
TOO_SOON = frozenset({"too many joins", "join crashed", "the join is not answered yet"})
BAD_REQUEST, TOO_MANY, UNAVAILABLE = 400, 429, 503


def read_refusal(response: Any) -> GatewayError:
    """The exception for a refused reply, or for `stream:error`: `{reason, error, status, retry_after_ms?}`."""
    said: dict[str, Any] = response if isinstance(response, dict) else {}
    error = said["error"] if isinstance(said.get("error"), dict) else {}
    reason = str(said.get("reason", ""))
    status = said.get("status")
    if not isinstance(status, int):
        status = TOO_MANY if reason in TOO_SOON else BAD_REQUEST
    milliseconds = said.get("retry_after_ms")
    return make_error(
        str(error.get("message") or reason or "refused"),
        status,
        reason=reason,
        kind=str(error.get("type") or ""),
        code=error.get("code"),
        param=error.get("param"),
        retry_after=milliseconds / 1000 if isinstance(milliseconds, int | float) else None,
    )


def make_error(message: str, status: int, **facts: Any) -> GatewayError:
    """The exception for a status."""
    return BY_STATUS.get(status, GatewayError)(message, status=status, **facts)
