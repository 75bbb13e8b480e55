"""What differs between the places where Envoy runs. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Expression:
    """A number that a template fills in later: written without quotes."""

    text: str


Number = int | Expression


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """Replicas behind a DNS name: every address that it stands for is one. `health_port` is where they say over HTTP how they are; None: on
    `port`, over gRPC."""

    host: str
    port: Number
    health_port: Number | None = None


@dataclass(frozen=True, slots=True)
class Watched:
    """Replicas that stand in a file, which Envoy reads again when another is moved into its place (`endpoints.write_endpoints`)."""

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """Certificate and key: paths of PEM files in one folder. They are read again when a file is moved into that folder."""

    folder: str
    cert: str = "tls.crt"
    key: str = "tls.key"


@dataclass(frozen=True, slots=True, kw_only=True)
class MeshTls:
    """Mutual TLS inside: Envoy's own certificate, the authority of all, and the domain that their names stand in."""

    folder: str
    ca: str = "ca.crt"
    trust_domain: str = "runestone.local"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What one Envoy bears. `heap` in bytes; `header_kib` and `headers` stay below what an edge takes, for Envoy adds some of its own;
    `buffer` is what one connection may have waiting in bytes, `retry_buffer` what is kept of a body until its edge has taken it;
    `health_interval` in seconds."""

    heap: Number = 512 << 20
    connections: Number = 20_000
    upstream_requests: Number = 20_000
    header_kib: int = 60
    headers: int = 100
    streams: int = 100
    buffer: int = 32 << 10
    retry_buffer: int = 1 << 20
    health_interval: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One place. `services` says where each is, by its name, `edge` (its HTTP port) and `door` (its gRPC port) among them; port 0 leaves a listener out.

    `redirects` is how many of a hundred plain requests are sent to HTTPS, `rate_limits` how many are asked about at ratelimit-svc: 0 or
    100. Of `trusted_hops` proxies in front the word on their caller is taken. `log` is the file of the access log; stdout without one.
    """

    host: str
    admin_host: str
    tls_port: Number
    plain_port: Number
    grpc_port: Number
    admin_port: Number
    services: Mapping[str, Named | Watched]
    certificate: Certificate
    mesh_tls: MeshTls | None = None
    redirects: Number = 0
    rate_limits: Number = 100
    trusted_hops: Number = 0
    log: str | None = None
    bounds: Bounds = field(default_factory=Bounds)
