"""The file that says where a service's replicas are, for a cluster that watches it. Pure."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from launcher.envoy.site import Document


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One replica. `health_port` is where it says over HTTP how it is; None: on `port`."""

    host: str
    port: int
    health_port: int | None = None


def write_endpoints(service: str, endpoints: Sequence[Endpoint], version: int) -> str:
    """A discovery response as JSON; `version` is another with every change."""
    assignment = {
        "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
        "cluster_name": service,
        "endpoints": [{"lb_endpoints": [{"endpoint": _write(one)} for one in endpoints]}],
    }
    return json.dumps({"version_info": str(version), "resources": [assignment]}, indent=1) + "\n"


def _write(one: Endpoint) -> Document:
    written: Document = {"address": {"socket_address": {"address": one.host, "port_value": one.port}}}
    if one.health_port is not None:
        written["health_check_config"] = {"port_value": one.health_port}
    return written
