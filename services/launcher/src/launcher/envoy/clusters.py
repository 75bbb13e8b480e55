"""The services behind Envoy: where their replicas are, which are well, how many calls they are given. Pure."""

from dataclasses import dataclass

from launcher.envoy.anytype import typed
from launcher.envoy.certificates import upstream_socket
from launcher.envoy.site import Document, Named, Site, Watched

PROTOCOLS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
CONNECT = "2s"
# An edge closes a connection that is idle for 75 s; who closes first never finds it closed under a request.
IDLE = "45s"
READY = "/health/readiness"


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """A service as a cluster: its name in `Site.services`, the one in its certificate, and whether it speaks gRPC."""

    name: str
    identity: str
    speaks_grpc: bool = True


UPSTREAMS = (
    Upstream(name="edge", identity="edge", speaks_grpc=False),
    Upstream(name="door", identity="edge"),
    Upstream(name="cache", identity="cache"),
    Upstream(name="ratelimit", identity="ratelimit"),
    Upstream(name="provider", identity="provider"),
    Upstream(name="audit", identity="audit"),
)


def write_clusters(site: Site) -> list[Document]:
    """A cluster for each service that the site has."""
    return [_cluster(upstream, site) for upstream in UPSTREAMS if upstream.name in site.services]


def _cluster(upstream: Upstream, site: Site) -> Document:
    bounds = site.bounds
    cluster: Document = {
        "name": upstream.name,
        "connect_timeout": CONNECT,
        "per_connection_buffer_limit_bytes": bounds.buffer,
        "lb_policy": "LEAST_REQUEST",  # of two at random the less busy, for each call
        # Where no replica is well any is asked: all of them seem unwell to an Envoy that cannot reach their health port.
        "common_lb_config": {"healthy_panic_threshold": {"value": 1}},
        "circuit_breakers": {"thresholds": [_thresholds(site)]},
        "outlier_detection": OUTLIERS,
        "upstream_connection_options": {"tcp_keepalive": {"keepalive_time": 30, "keepalive_interval": 10}},
        "typed_extension_protocol_options": {PROTOCOLS: _protocols(upstream)},
        **_find(upstream, site.services[upstream.name]),
    }
    cluster["health_checks"] = [_health_check(upstream, site.services[upstream.name], bounds.health_interval)]
    if site.mesh_tls is not None:
        alpn = "h2" if upstream.speaks_grpc else "http/1.1"
        cluster["transport_socket"] = upstream_socket(site.mesh_tls, upstream.identity, alpn)
        _spare_http_checks(cluster)
    return cluster


# An edge answers 502 to 504 for a provider, a service UNAVAILABLE for its store: no sign that another replica would do better. Only
# what Envoy sees itself counts, connections that fail or break.
OUTLIERS: Document = {
    "split_external_local_origin_errors": True,
    "consecutive_local_origin_failure": 5,
    "enforcing_consecutive_5xx": 0,
    "enforcing_consecutive_gateway_failure": 0,
    "enforcing_success_rate": 0,
    "enforcing_local_origin_success_rate": 0,
    "interval": "1s",
    "base_ejection_time": "5s",
    "max_ejection_time": "30s",
    "max_ejection_percent": 50,
}


def _thresholds(site: Site) -> Document:
    most = site.bounds.upstream_requests
    return {
        "max_connections": most,
        "max_pending_requests": most,
        "max_requests": most,
        "retry_budget": {"budget_percent": {"value": 20}, "min_retry_concurrency": 20},
        "track_remaining": True,
    }


def _protocols(upstream: Upstream) -> Document:
    common = {"idle_timeout": IDLE}
    if not upstream.speaks_grpc:
        return typed(
            "extensions.upstreams.http.v3.HttpProtocolOptions",
            common_http_protocol_options=common,
            explicit_http_config={"http_protocol_options": {}},
        )
    options = {
        "initial_stream_window_size": 1 << 20,
        "initial_connection_window_size": 16 << 20,
        "connection_keepalive": {"interval": "30s", "timeout": "10s"},
    }
    return typed(
        "extensions.upstreams.http.v3.HttpProtocolOptions",
        common_http_protocol_options=common,
        explicit_http_config={"http2_protocol_options": options},
    )


def _find(upstream: Upstream, place: Named | Watched) -> Document:
    if isinstance(place, Watched):
        source = {"path_config_source": {"path": place.path}, "resource_api_version": "V3"}
        return {"type": "EDS", "eds_cluster_config": {"service_name": upstream.name, "eds_config": source}}
    address = {"socket_address": {"address": place.host, "port_value": place.port}}
    endpoint: Document = {"address": address}
    if place.health_port is not None:
        endpoint["health_check_config"] = {"port_value": place.health_port}
    return {
        "type": "STRICT_DNS",
        "dns_refresh_rate": "2s",
        "dns_lookup_family": "V4_PREFERRED",
        "load_assignment": {
            "cluster_name": upstream.name,
            "endpoints": [{"lb_endpoints": [{"endpoint": endpoint}]}],
        },
    }


def _health_check(upstream: Upstream, place: Named | Watched, interval: int) -> Document:
    """One that says it is not ready is out at once; one that does not answer, after three times."""
    del place
    every = f"{interval}s"
    check: Document = {
        "timeout": every,
        "interval": every,
        "no_traffic_interval": every,
        "interval_jitter_percent": 10,
        "unhealthy_threshold": 3,
        "healthy_threshold": 1,
    }
    if upstream.speaks_grpc:
        return check | {"grpc_health_check": {}}
    return check | {"http_health_check": {"path": READY, "host": "edge"}}


def _spare_http_checks(cluster: Document) -> None:
    """The edge's operators' port, where it is asked, is not served over TLS."""
    for check in cluster["health_checks"]:
        if "http_health_check" in check:
            check["transport_socket_match_criteria"] = {"is": "plain"}
            cluster["transport_socket_matches"] = [
                {"name": "plain", "match": {"is": "plain"}, "transport_socket": PLAIN},
            ]


PLAIN: Document = {
    "name": "envoy.transport_sockets.raw_buffer",
    "typed_config": typed("extensions.transport_sockets.raw_buffer.v3.RawBuffer"),
}
