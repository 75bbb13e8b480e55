"""What must hold of the doors: whom they trust, whom they let in, and that what protects them protects."""

import ipaddress
import re
from collections.abc import Iterator

from chassis.config.document import Finding
from chassis.config.schema import Settings

ANY_ORIGIN = "*"
SMALLEST_HEAD = 4 << 10  # bytes; what browsers and SDKs send fits
NEVER_ZERO = ("max_loop_lag", "max_memory", "header_timeout", "idle_timeout", "body_timeout")

# https://fetch.spec.whatwg.org/#origin-header: scheme and host as a browser writes them, and a port that is not the scheme's.
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:[a-z0-9._~-]+|\[[0-9a-f:.]+\])(?::[1-9]\d{0,4})?")


def check_doors(settings: Settings) -> Iterator[Finding]:
    """Everything in `edge.http`, `edge.grpc` and `edge.protection` that could not be meant."""
    for check in (_check_proxies, _check_origins, _check_certificate, _check_protection):
        yield from check(settings)


def _check_proxies(settings: Settings) -> Iterator[Finding]:
    for index, text in enumerate(settings.edge.http.trusted_proxies):
        try:
            ipaddress.ip_network(text)
        except ValueError as error:
            yield ("edge", "http", "trusted_proxies", index), f"must be an address or a CIDR range: {error}"


def _check_origins(settings: Settings) -> Iterator[Finding]:
    for index, origin in enumerate(settings.edge.http.cors.origins):
        if origin != ANY_ORIGIN and not _ORIGIN.fullmatch(origin):
            message = "must be `*` or an origin as browsers send it, such as https://app.example"
            yield ("edge", "http", "cors", "origins", index), message


def _check_certificate(settings: Settings) -> Iterator[Finding]:
    for name, tls in (("http", settings.edge.http.tls), ("grpc", settings.edge.grpc.tls)):
        if tls is not None and not (tls.cert and tls.key):
            yield ("edge", name, "tls"), "needs `cert` and `key`, the paths of PEM files"


def _check_protection(settings: Settings) -> Iterator[Finding]:
    protection = settings.edge.protection
    for name in NEVER_ZERO:
        if getattr(protection, name) == 0:
            yield ("edge", "protection", name), "must be more than 0"
    if protection.max_header_size < SMALLEST_HEAD:
        yield ("edge", "protection", "max_header_size"), "must be at least 4KiB"
