"""What a provider's refusal means: one table from HTTP statuses, one from error types, one reading of error bodies.

OpenAI says `{"error": {"message", "type", "param", "code"}}`, Anthropic `{"type": "error", "error": {"type", "message"}}`;
servers that imitate them say `{"error": "..."}`, `{"message": "..."}` or `{"detail": "..."}`.
"""

import math
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

import orjson

from chassis.errors import Reason, RunestoneError

REASONS_BY_STATUS: dict[int, Reason] = {
    400: Reason.PROVIDER_REFUSED,
    401: Reason.PROVIDER_CREDENTIALS_REFUSED,
    403: Reason.PROVIDER_CREDENTIALS_REFUSED,
    404: Reason.PROVIDER_REFUSED,
    413: Reason.PROVIDER_REFUSED,
    422: Reason.PROVIDER_REFUSED,
    429: Reason.PROVIDER_RATE_LIMITED,
    503: Reason.PROVIDER_OVERLOADED,
    529: Reason.PROVIDER_OVERLOADED,
}

# What an error object says by its type where no HTTP status can: in a 200, or in the middle of a stream.
REASONS_BY_TYPE: dict[str, Reason] = {
    "invalid_request_error": Reason.PROVIDER_REFUSED,
    "not_found_error": Reason.PROVIDER_REFUSED,
    "request_too_large": Reason.PROVIDER_REFUSED,
    "authentication_error": Reason.PROVIDER_CREDENTIALS_REFUSED,
    "invalid_api_key": Reason.PROVIDER_CREDENTIALS_REFUSED,  # OpenAI's code, under the type of a question that is wrong
    "permission_error": Reason.PROVIDER_CREDENTIALS_REFUSED,
    "rate_limit_error": Reason.PROVIDER_RATE_LIMITED,
    "rate_limit_exceeded": Reason.PROVIDER_RATE_LIMITED,
    "overloaded_error": Reason.PROVIDER_OVERLOADED,
    **dict.fromkeys(
        (
            "invalid_prompt",
            "invalid_image",
            "invalid_image_format",
            "invalid_base64_image",
            "invalid_image_url",
            "image_too_large",
            "image_too_small",
            "image_parse_error",
            "image_content_policy_violation",
        ),
        Reason.PROVIDER_REFUSED,  # what Responses say of a question once they have begun
    ),
}

LONGEST_MESSAGE = 2_000  # characters of a provider's own message
LONGEST_EXCERPT = 120  # characters of a body that is not its protocol
LONGEST_HINT = 86_400.0  # seconds; a provider that says more has said nothing useful


def failure_of_status(status: int, headers: Mapping[str, str], body: bytes, now: float) -> RunestoneError:
    """What an answer with another status than 200 means. `headers` match in any case; `now` is seconds since the epoch.

    The provider's words are kept, except where its credentials were refused.
    """
    reason = REASONS_BY_STATUS.get(status, Reason.PROVIDER_FAILED)
    hint = read_retry_after(headers, now)
    if reason is Reason.PROVIDER_CREDENTIALS_REFUSED:
        return _credentials_refused(status, hint)
    fields = _read_error_fields(_decode(body))
    if Reason.PROVIDER_CREDENTIALS_REFUSED in _list_reasons(fields):  # not everybody says 401
        return _credentials_refused(status, hint)
    message = fields.get("message") or f"HTTP {status}{_excerpt(body)}"
    return RunestoneError(
        reason,
        message,
        retry_after=hint,
        param=fields.get("param", ""),
        code=fields.get("code") or fields.get("type", ""),
        upstream_status=status,
    )


def failure_of_object(document: object, status: int = 200) -> RunestoneError | None:
    """What an error object in a successful answer or in a stream means; None when `document` is not one."""
    if not isinstance(document, dict) or not document.get("error"):
        return None
    fields = _read_error_fields(document)
    reasons = _list_reasons(fields)
    if Reason.PROVIDER_CREDENTIALS_REFUSED in reasons:
        return _credentials_refused(status)
    message = fields.get("message") or "the provider reported an error without saying which"
    return RunestoneError(
        reasons[0] if reasons else Reason.PROVIDER_FAILED,
        message,
        param=fields.get("param", ""),
        code=fields.get("code") or fields.get("type", ""),
        upstream_status=status,
    )


def _list_reasons(fields: Mapping[str, str]) -> list[Reason]:
    """What the type and the code of an error object mean, as far as either is known."""
    return [REASONS_BY_TYPE[word] for name in ("type", "code") if (word := fields.get(name, "")) in REASONS_BY_TYPE]


def _credentials_refused(status: int, retry_after: float | None = None) -> RunestoneError:
    """In the gateway's own words: the provider's may quote the key, and its code would blame the client's."""
    message = f"the provider refused the gateway's credentials (HTTP {status}); the operator must check its api_key"
    reason = Reason.PROVIDER_CREDENTIALS_REFUSED
    return RunestoneError(reason, message, retry_after=retry_after, upstream_status=status)


def read_retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds to wait, from `retry-after-ms`, or `retry-after` as seconds or date (RFC 9110, section 10.2.3)."""
    milliseconds = _read_number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return min(milliseconds / 1000, LONGEST_HINT)
    text = headers.get("retry-after")
    seconds = _read_number(text)
    if seconds is None:
        seconds = _read_seconds_until(text, now)
    return None if seconds is None else min(seconds, LONGEST_HINT)


def _read_number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _read_seconds_until(text: str | None, now: float) -> float | None:
    try:
        date = parsedate_to_datetime(text or "")
    except ValueError:
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max(0.0, date.timestamp() - now)


def _decode(body: bytes) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _read_error_fields(document: object) -> dict[str, str]:
    """`message`, `type`, `param` and `code` as far as they are there, as text."""
    if not isinstance(document, dict):
        return {}
    error = document.get("error")
    if isinstance(error, str):
        error = {"message": error}
    elif not isinstance(error, dict):
        error = {"message": document.get("message") or document.get("detail")}
    names = ("message", "type", "param", "code")
    return {name: str(error[name])[:LONGEST_MESSAGE] for name in names if isinstance(error.get(name), str | int)}


def _excerpt(body: bytes) -> str:
    """The beginning of a body that is not an error object, as one harmless line; nothing of HTML or of binary data."""
    text = " ".join(body[: 4 * LONGEST_EXCERPT].decode("utf-8", "replace").split())
    if not text or text.startswith("<") or not text.isprintable() or "\ufffd" in text:
        return ""
    return f": {text[:LONGEST_EXCERPT]}"
