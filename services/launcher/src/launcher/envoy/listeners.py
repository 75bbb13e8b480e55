"""Where Envoy listens: for clients with TLS and without, and inside for whoever calls a service by plain gRPC. Pure."""

from launcher.envoy.access_log import write_access_log
from launcher.envoy.anytype import extension, typed
from launcher.envoy.certificates import front_socket, inner_socket
from launcher.envoy.claims import drop_claims
from launcher.envoy.local_replies import write_local_replies
from launcher.envoy.routes import front_routes, inner_routes
from launcher.envoy.site import Document, Number, Site

DOMAIN = "runestone-edge"
MANAGER = "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
HEADERS_IN = "15s"  # as an edge has it
IDLE = "75s"


def write_listeners(site: Site) -> list[Document]:
    """Those that the site has a port for."""
    listeners = []
    if site.tls_port != 0:
        listeners.append(_listener("tls", site.tls_port, site, _front("tls", site), front_socket(["h2", "http/1.1"])))
    if site.plain_port != 0:
        listeners.append(_listener("plain", site.plain_port, site, _front("plain", site, site.redirects), None))
    if site.grpc_port != 0:
        socket = inner_socket(site.mesh_tls) if site.mesh_tls else None
        listeners.append(_listener("grpc", site.grpc_port, site, _inner(site), socket))
    return listeners


def _listener(name: str, port: Number, site: Site, manager: Document, socket: Document | None) -> Document:
    chain: Document = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    if socket is not None:
        chain |= {"transport_socket": socket, "transport_socket_connect_timeout": "10s"}
    return {
        "name": name,
        "address": {"socket_address": {"address": site.host, "port_value": port}},
        "per_connection_buffer_limit_bytes": site.bounds.buffer,
        "filter_chains": [chain],
    }


def _front(name: str, site: Site, redirects: Number = 0) -> Document:
    """Streams may be silent for as long as an edge lets them. What the edge says goes out as it is: `server`, `x-request-id`."""
    return typed(
        MANAGER,
        **_common(name, site),
        route_config=front_routes(site, redirects=redirects),
        http_filters=[_rate_limit(site), _router()],
        use_remote_address=True,
        xff_num_trusted_hops=site.trusted_hops,
        early_header_mutation_extensions=drop_claims(),
        internal_address_config={"unix_sockets": False},
        local_reply_config=write_local_replies(),
        upgrade_configs=[{"upgrade_type": "websocket"}],
        proxy_100_continue=True,
        normalize_path=True,
        merge_slashes=True,
        max_request_headers_kb=site.bounds.header_kib,
    )


def _inner(site: Site) -> Document:
    return typed(
        MANAGER,
        **_common("grpc", site),
        codec_type="HTTP2",
        route_config=inner_routes(site),
        http_filters=[_router()],
        use_remote_address=True,
        early_header_mutation_extensions=drop_claims(),
        internal_address_config={"unix_sockets": False},
    )


def _common(name: str, site: Site) -> Document:
    bounds = site.bounds
    return {
        "stat_prefix": name,
        "access_log": write_access_log(name, site.log),
        "stream_idle_timeout": "0s",
        "request_timeout": "0s",
        "request_headers_timeout": HEADERS_IN,
        "server_header_transformation": "PASS_THROUGH",
        "generate_request_id": False,
        "preserve_external_request_id": True,
        "common_http_protocol_options": {
            "idle_timeout": IDLE,
            "max_headers_count": bounds.headers,
            "headers_with_underscores_action": "REJECT_REQUEST",
        },
        "http2_protocol_options": {
            "max_concurrent_streams": bounds.streams,
            "initial_stream_window_size": 64 << 10,
            "initial_connection_window_size": 1 << 20,
            "connection_keepalive": {"interval": "30s", "timeout": "20s"},
        },
    }


def _rate_limit(site: Site) -> Document:
    """ratelimit-svc says who comes too often. While it does not answer, calls pass: the edges have limits of their own."""
    share = {"default_value": {"numerator": site.rate_limits}, "runtime_key": "runestone.rate_limits"}
    return extension(
        "filters.http.ratelimit",
        "extensions.filters.http.ratelimit.v3.RateLimit",
        domain=DOMAIN,
        timeout="0.1s",
        failure_mode_deny=False,
        disable_x_envoy_ratelimited_header=True,
        filter_enabled=share,
        rate_limit_service={
            "grpc_service": {"envoy_grpc": {"cluster_name": "ratelimit"}},
            "transport_api_version": "V3",
        },
    )


def _router() -> Document:
    return extension("filters.http.router", "extensions.filters.http.router.v3.Router", suppress_envoy_headers=True)
