"""The whole document. Pure."""

from launcher.envoy.certificates import write_secrets
from launcher.envoy.clusters import write_clusters
from launcher.envoy.listeners import write_listeners
from launcher.envoy.overload import write_overload_manager
from launcher.envoy.site import Document, Site


def write_bootstrap(site: Site) -> Document:
    """What Envoy is started with. Its admin port may stop it: only `site.admin_host` reaches it."""
    return {
        "node": {"id": "envoy", "cluster": "runestone"},
        "admin": {
            "address": {"socket_address": {"address": site.admin_host, "port_value": site.admin_port}},
            "ignore_global_conn_limit": True,
        },
        "overload_manager": write_overload_manager(site.bounds),
        "static_resources": {
            "listeners": write_listeners(site),
            "clusters": write_clusters(site),
            "secrets": write_secrets(site.certificate, site.mesh_tls),
        },
    }
