"""Which requests go where, and which may be sent twice. Pure."""

from launcher.envoy.site import Document, Number, Site

# A request that no edge has seen may go to another: the connection could not be made, or was closed or refused before the headers
# were on it. Whatever may have reached an edge is never sent again: it may have been paid for.
NOT_BEGUN = "connect-failure,refused-stream,reset-before-request"
RETRIES: Document = {
    "retry_on": NOT_BEGUN,
    "num_retries": 3,
    "retry_host_predicate": [
        {
            "name": "envoy.retry_host_predicates.previous_hosts",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
            },
        }
    ],
    "host_selection_retry_max_attempts": 5,
    "retry_back_off": {"base_interval": "0.025s", "max_interval": "0.25s"},
}

# What only a proxy may say. Envoy itself appends to `x-forwarded-for`, and drops `x-envoy-*` and `x-forwarded-client-cert`.
CLAIMS = ["forwarded", "x-real-ip", "x-client-ip", "cf-connecting-ip", "true-client-ip"]

DOOR = "/runestone.gateway.v1."  # the edge's gRPC door
PREFIXES = {
    DOOR: "door",
    "/runestone.cache.v1.": "cache",
    "/runestone.state.v1.": "cache",
    "/runestone.room.v1.": "cache",
    "/runestone.stream.v1.": "cache",
    "/runestone.hint.v1.": "cache",
    "/runestone.ratelimit.v1.": "ratelimit",
    "/envoy.service.ratelimit.v3.": "ratelimit",
    "/runestone.provider.v1.": "provider",
    "/runestone.realtime.v1.": "provider",
    "/runestone.target.v1.": "provider",
    "/runestone.audit.v1.": "audit",
}


def front_routes(site: Site, *, redirects: Number = 0) -> Document:
    """Everything goes to the edges, which have deadlines of their own: none is set here."""
    routes = [{"match": {"prefix": DOOR, "grpc": {}}, "route": _to("door")}] if "door" in site.services else []
    routes.append({"match": {"prefix": "/"}, "route": _to("edge") | {"rate_limits": [BY_ADDRESS]}})
    if redirects != 0:
        share = {"default_value": {"numerator": redirects}, "runtime_key": "runestone.redirects"}
        redirect = {"https_redirect": True, "response_code": "PERMANENT_REDIRECT"}
        routes.insert(0, {"match": {"prefix": "/", "runtime_fraction": share}, "redirect": redirect})
    return {
        "name": "front",
        "request_headers_to_remove": CLAIMS,
        "virtual_hosts": [_host("gateway", routes, site)],
        "most_specific_header_mutations_wins": True,
    }


def inner_routes(site: Site) -> Document:
    """Plain gRPC goes by its package. Another package is UNIMPLEMENTED, as a server says it."""
    known = [(prefix, name) for prefix, name in PREFIXES.items() if name in site.services]
    routes: list[Document] = [{"match": {"prefix": prefix, "grpc": {}}, "route": _to(name)} for prefix, name in known]
    routes.append({"match": {"prefix": "/"}, "direct_response": {"status": 404}})
    return {"name": "inner", "virtual_hosts": [_host("services", routes, site)]}


BY_ADDRESS: Document = {"actions": [{"remote_address": {}}]}


def _to(cluster: str) -> Document:
    return {"cluster": cluster, "timeout": "0s", "retry_policy": RETRIES}


def _host(name: str, routes: list[Document], site: Site) -> Document:
    return {
        "name": name,
        "domains": ["*"],
        "request_body_buffer_limit": site.bounds.retry_buffer,
        "routes": routes,
    }
