"""What must hold of the doors: whom they trust, whom they let in, and that what protects them protects."""

import ipaddress
import re
from collections.abc import Iterator

from chassis.config.document import Finding
from chassis.config.schema import Settings

ANY_ORIGIN = "*"
SMALLEST_HEAD = 4 << 10  # bytes; what browsers and SDKs send fits
NEVER_ZERO = {
    "protection": ("max_loop_lag", "max_memory", "header_timeout", "idle_timeout", "body_timeout"),
    "websocket": ("heartbeat_interval", "slow_consumer_timeout", "pause_window", "max_frame_size", "max_buffer"),
}
LONGEST_RESUME_WINDOW = 3600  # seconds; what provider-svc takes
ANY_HOST = ("0.0.0.0", "::", "")  # noqa: S104  looked for, not listened on

# https://fetch.spec.whatwg.org/#origin-header: scheme and host as a browser writes them, and a port that is not the scheme's.
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:[a-z0-9._~-]+|\[[0-9a-f:.]+\])(?::[1-9]\d{0,4})?")


def check_doors(settings: Settings) -> Iterator[Finding]:
    """Everything in `edge.http`, `edge.websocket`, `edge.grpc`, `edge.admin` and `edge.protection` that could not be meant."""
    for check in (
        _check_proxies,
        _check_origins,
        _check_certificate,
        _check_ports,
        _check_zeros,
        _check_windows,
        _check_protection,
    ):
        yield from check(settings)


def _check_proxies(settings: Settings) -> Iterator[Finding]:
    for index, text in enumerate(settings.edge.http.trusted_proxies):
        try:
            ipaddress.ip_network(text)
        except ValueError as error:
            yield ("edge", "http", "trusted_proxies", index), f"must be an address or a CIDR range: {error}"


def _check_origins(settings: Settings) -> Iterator[Finding]:
    edge = settings.edge
    for path, origins in ((("http", "cors"), edge.http.cors.origins), (("websocket",), edge.websocket.origins or [])):
        for index, origin in enumerate(origins):
            if origin != ANY_ORIGIN and not _ORIGIN.fullmatch(origin):
                message = "must be `*` or an origin as browsers send it, such as https://app.example"
                yield ("edge", *path, "origins", index), message


def _check_certificate(settings: Settings) -> Iterator[Finding]:
    for name, tls in (("http", settings.edge.http.tls), ("grpc", settings.edge.grpc.tls)):
        if tls is not None and not (tls.cert and tls.key):
            yield ("edge", name, "tls"), "needs `cert` and `key`, the paths of PEM files"


def _check_ports(settings: Settings) -> Iterator[Finding]:
    """Two doors on one port: the later one could not be opened. Port 0 is any that is free."""
    taken: list[tuple[str, str, int]] = []
    for name, host, port in _list_doors(settings):
        for other, its_host, its_port in taken:
            if port and port == its_port and (host == its_host or {host, its_host} & {*ANY_HOST}):
                yield ("edge", name, "port"), f"{port} is the port of edge.{other}, too"
        taken.append((name, host, port))


def _list_doors(settings: Settings) -> Iterator[tuple[str, str, int]]:
    """Name, host and port of each. WebSockets have the host of HTTP."""
    edge = settings.edge
    yield "http", edge.http.host, edge.http.port
    yield "admin", edge.admin.host, edge.admin.port
    yield "websocket", edge.http.host, edge.websocket.port
    if edge.grpc.enabled:
        yield "grpc", edge.grpc.host, edge.grpc.port


def _check_zeros(settings: Settings) -> Iterator[Finding]:
    for section, names in NEVER_ZERO.items():
        for name in names:
            if getattr(getattr(settings.edge, section), name) == 0:
                yield ("edge", section, name), "must be more than 0"


def _check_windows(settings: Settings) -> Iterator[Finding]:
    if settings.edge.websocket.resume_window > LONGEST_RESUME_WINDOW:
        yield ("edge", "websocket", "resume_window"), "must be at most 1h"


def _check_protection(settings: Settings) -> Iterator[Finding]:
    protection = settings.edge.protection
    if protection.max_header_size < SMALLEST_HEAD:
        yield ("edge", "protection", "max_header_size"), "must be at least 4KiB"
