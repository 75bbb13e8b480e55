"""What a proxy says of the client certificate that it was shown: `x-forwarded-client-cert`. Pure.

The format is Envoy's (envoyproxy.io, "HTTP header manipulation"): elements of several proxies joined by commas, each of
pairs joined by semicolons; a value with one of these in it is quoted.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from chassis.errors import RunestoneError
from gateway_edge.auth.refusal import CERTIFICATE, refusal

HEADER = "x-forwarded-client-cert"
LONGEST = 32 << 10  # characters; a whole chain may stand in it
MANY = frozenset({"dns"})  # of any other part there is one: two could name two clients

_PAIR = re.compile(r'([A-Za-z]+)=(?:"((?:[^"\\]|\\.)*)"|([^",;]*))(;|\Z)')
_ESCAPE = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class ForwardedCertificate:
    """Whom a certificate names; "" where it does not."""

    subject: str
    uri: str


def read_certificate(text: str) -> ForwardedCertificate:
    """The certificate of the one client that the proxy was called by. Raises AUTHENTICATION_FAILED for several, which are hops that
    nobody here can vouch for, and for what is not in the format."""
    parts: dict[str, str] = {}
    for name, value in _read_pairs(text[: LONGEST + 1]):
        if name in parts and name not in MANY:
            raise _refuse()
        parts[name] = value
    return ForwardedCertificate(parts.get("subject", ""), parts.get("uri", ""))


def _read_pairs(text: str) -> Iterator[tuple[str, str]]:
    position = 0
    while position < len(text):
        pair = _PAIR.match(text, position)
        if pair is None or len(text) > LONGEST:
            raise _refuse()
        yield pair[1].lower(), pair[3] if pair[2] is None else _ESCAPE.sub(r"\1", pair[2])
        position = pair.end()


def _refuse() -> RunestoneError:
    return refusal(CERTIFICATE, f"the header {HEADER} must name one client certificate, with one subject and one URI")
