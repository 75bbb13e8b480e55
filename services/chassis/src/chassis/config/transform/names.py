"""Which headers a transform may touch."""

import re

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

CREDENTIALS = frozenset(
    {
        "api-key", "authorization", "cookie", "proxy-authorization", "signature", "signature-input", "x-api-key",
        "x-forwarded-client-cert",
    }
)  # fmt: skip
FRAMING = frozenset(
    {
        "connection", "content-length", "content-type", "date", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade",
    }
)  # fmt: skip

# Of a request: what was read before the pipeline began, so that a change would change nothing.
READ_ALREADY = frozenset(
    {
        "content-digest", "content-encoding", "expect", "forwarded", "host", "traceparent", "tracestate", "x-forwarded-for", "x-request-id",
        "x-runestone-pipeline", "x-runestone-timeout-ms",
    }
)  # fmt: skip

# Of an answer: what the door says when it is sent, and what an error is found by.
SAID_LAST = frozenset(
    {"server-timing", "traceparent", "x-request-id", "retry-after", "retry-after-ms", "x-should-retry"}
)


def check_header_name(name: str, untouchable: frozenset[str]) -> str:
    """The name as headers are looked up. Raises ValueError for what is no name (RFC 9110, section 5.1) or may not be used."""
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a header")
    if name.lower() in untouchable:
        raise ValueError(f"{name!r} is not for a transform")
    return name.lower()


def check_header_text(text: str) -> None:
    """Raises ValueError for a text that would end the header's line."""
    if any(character < " " or character == "\x7f" for character in text):
        raise ValueError("holds a control character")
