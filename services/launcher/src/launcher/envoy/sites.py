"""The places that files are written for, beside the mesh on one machine. Pure."""

from collections.abc import Mapping

from launcher.envoy.site import Bounds, Certificate, Expression, MeshTls, Named, Site, Watched

PORTS = {"cache": 50051, "ratelimit": 50052, "provider": 50053, "audit": 50054}
EDGE_HTTP, EDGE_ADMIN, EDGE_GRPC = 4003, 4004, 4006
ANY = "0.0.0.0"  # noqa: S104  in a container of its own
LOOPBACK = "127.0.0.1"


def name_services(hosts: Mapping[str, str]) -> dict[str, Named | Watched]:
    """The services at their ports, on the hosts that `hosts` gives by their names."""
    services: dict[str, Named | Watched] = {
        "edge": Named(host=hosts["edge"], port=EDGE_HTTP, health_port=EDGE_ADMIN),
        "door": Named(host=hosts["edge"], port=EDGE_GRPC),
    }
    return services | {name: Named(host=hosts[name], port=port) for name, port in PORTS.items()}


COMPOSE = Site(
    host=ANY,
    admin_host=LOOPBACK,
    tls_port=8443,
    plain_port=8080,
    grpc_port=50050,
    admin_port=9901,
    services=name_services({name: name for name in ("edge", *PORTS)}),
    certificate=Certificate(folder="/etc/envoy/tls/front"),
    mesh_tls=MeshTls(folder="/etc/envoy/tls/mesh"),
)


def _number(path: str) -> Expression:
    """A whole number: Helm reads those of a value file as floating ones, and would write large ones with an exponent."""
    return Expression("{{ .Values.envoy." + path + " | int64 }}")


def _percent(path: str) -> Expression:
    return Expression("{{ ternary 100 0 .Values.envoy." + path + " }}")


def chart_site(*, tls: bool) -> Site:
    """What the chart's ConfigMap is made of, by `tpl`. Each service is behind the headless Service that the template
    `runestone.headless` names, which is given the root and the service's name."""
    hosts = {name: '{{ include "runestone.headless" (list . "' + name + '") }}' for name in ("edge", *PORTS)}
    return Site(
        host=ANY,
        admin_host=LOOPBACK,
        tls_port=8443,
        plain_port=8080,
        grpc_port=50050,
        admin_port=9901,
        services=name_services(hosts),
        certificate=Certificate(folder="/etc/envoy/tls"),
        mesh_tls=MeshTls(folder="/etc/runestone/tls") if tls else None,
        redirects=_percent("redirectToHttps"),
        rate_limits=_percent("rateLimit.enabled"),
        trusted_hops=_number("trustedHops"),
        bounds=Bounds(heap=_number("heapBytes"), connections=_number("maxConnections")),
    )
