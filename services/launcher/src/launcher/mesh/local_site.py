"""Envoy's site on this machine. Pure."""

from pathlib import Path

from launcher.envoy.site import Certificate, Site, Watched
from launcher.mesh.envoy_process import EnvoyFiles
from launcher.mesh.order import EnvoyPorts
from launcher.mesh.parts import LOOPBACK, list_clusters


def local_site(ports: EnvoyPorts, files: EnvoyFiles, certificates: Path, *, rate_limits: bool) -> Site:
    """Everything on loopback; replicas stand in files, so that there may be more of them."""
    return Site(
        host=LOOPBACK,
        admin_host=LOOPBACK,
        tls_port=ports.tls,
        plain_port=ports.plain,
        grpc_port=ports.grpc,
        admin_port=ports.admin,
        services={name: Watched(str(files.cluster(name))) for name in list_clusters([])},
        certificate=Certificate(folder=str(certificates)),
        rate_limits=100 if rate_limits else 0,
        log=str(files.access_log),
    )
