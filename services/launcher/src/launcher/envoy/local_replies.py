"""What Envoy answers itself, in the shape that OpenAI's SDKs read, with the hints that they obey. One table. Pure.

https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage has the flags.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from launcher.envoy.site import Document

BAD, SERVER = "invalid_request_error", "server_error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What a reply with one of `flags`, or one of `status`, means. `should_retry` None: the SDK's own rules decide. `retry_after` in
    seconds, where nobody has said it more exactly."""

    flags: Sequence[str] = ()
    status: tuple[int, int] | None = None
    message: str
    type: str
    code: str | None
    should_retry: bool | None = None
    retry_after: int | None = None


# The first that fits. What was certainly not begun may be sent again; what may have run is the SDK's to judge.
MEANINGS = (
    Meaning(
        flags=["RL"],
        message="too many requests from this address",
        type="rate_limit_error",
        code="rate_limit_exceeded",
        should_retry=True,
        retry_after=1,
    ),
    Meaning(
        flags=["UO", "OM"],
        message="the gateway is overloaded",
        type="overloaded_error",
        code="overloaded",
        should_retry=True,
        retry_after=1,
    ),
    Meaning(
        flags=["UH", "UF", "NC", "UMSDR"],
        message="no gateway can be reached",
        type=SERVER,
        code="unavailable",
        should_retry=True,
        retry_after=1,
    ),
    Meaning(
        flags=["UC", "UR", "LR", "UPE"],
        message="the connection to the gateway was lost before it answered",
        type=SERVER,
        code="connection_lost",
    ),
    Meaning(flags=["UT", "SI", "DT"], message="the call took longer than it may", type="timeout_error", code="timeout"),
    Meaning(
        status=(408, 408), message="the request did not arrive in time", type="timeout_error", code="request_timeout"
    ),
    Meaning(status=(413, 413), message="the request is too large", type=BAD, code="body_too_large", should_retry=False),
    Meaning(
        status=(431, 431),
        message="the request's headers are too large",
        type=BAD,
        code="headers_too_large",
        should_retry=False,
    ),
    Meaning(status=(426, 426), message="this protocol is not spoken here", type=BAD, code=None, should_retry=False),
    Meaning(status=(400, 499), message="the request could not be read", type=BAD, code=None, should_retry=False),
    Meaning(status=(500, 599), message="the gateway cannot answer now", type=SERVER, code="unavailable"),
)


def write_local_replies() -> Document:
    """Mappers for all meanings. A gRPC caller reads its status, not a document."""
    return {"mappers": [GRPC, *map(_mapper, MEANINGS)]}


GRPC: Document = {
    "filter": {
        "header_filter": {"header": {"name": "content-type", "string_match": {"prefix": "application/grpc"}}},
    },
    "body_format_override": {"text_format_source": {"inline_string": "%LOCAL_REPLY_BODY%"}},
}


def _mapper(meaning: Meaning) -> Document:
    error = {"message": meaning.message, "type": meaning.type, "param": None, "code": meaning.code}
    return {
        "filter": _filter(meaning),
        "body_format_override": {"json_format": {"error": error}, "content_type": "application/json"},
        "headers_to_add": [_header(*pair) for pair in _hints(meaning)],
    }


def _filter(meaning: Meaning) -> Document:
    if meaning.status is None:
        return {"response_flag_filter": {"flags": list(meaning.flags)}}
    low, high = meaning.status
    bounds = [_compare("GE", low), _compare("LE", high)]
    return {"and_filter": {"filters": bounds}}


def _compare(operator: str, status: int) -> Document:
    comparison = {"op": operator, "value": {"default_value": status, "runtime_key": f"runestone.status_{status}"}}
    return {"status_code_filter": {"comparison": comparison}}


def _hints(meaning: Meaning) -> list[tuple[str, str]]:
    hints = [("x-request-id", "%UNIQUE_ID%")]
    if meaning.should_retry is not None:
        hints.append(("x-should-retry", "true" if meaning.should_retry else "false"))
    if meaning.retry_after is not None:
        hints.append(("retry-after", str(meaning.retry_after)))
    return hints


def _header(name: str, value: str) -> Document:
    return {"header": {"key": name, "value": value}, "append_action": "ADD_IF_ABSENT"}
