"""How each part of a mesh of containers is made: image, user, folders, ports."""

import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from testcontainers.core.container import DockerContainer
from testcontainers.core.network import Network

from chassis.testing import free_port
from containers.configuration import PASSWORD, PROBE, PROVIDER_HOST
from containers.engine import ENVOY, OURS, POSTGRES, REDIS
from containers.orphans import LABELS
from containers.part import HARDENED, LOOPBACK, Part
from launcher.envoy.sites import PORTS

HTTP, ADMIN = 4003, 4004
TLS_PORT, PLAIN, GRPC, ENVOYS_ADMIN = 8443, 8080, 50050, 9901
SECOND = 1_000_000_000  # in nanoseconds, which the engine takes
SMALL = "size=64m,mode=1777"
# Each store, and what is run in it to ask whether it answers.
STORES = {
    "redis": ("redis-cli", "ping"),
    "postgres": ("pg_isready", "-q", "-h", LOOPBACK, "-U", "runestone"),
}


@dataclass(frozen=True)
class Recipe:
    """`mounts` are files and folders of this machine, by their paths inside, where nobody can write them."""

    image: str
    command: tuple[str, ...] = ()
    user: str | None = None  # the image's own
    ports: tuple[int, ...] = ()
    mounts: Mapping[str, Path] = field(default_factory=dict)
    tmpfs: Mapping[str, str] = field(default_factory=lambda: {"/tmp": SMALL})
    environment: Mapping[str, str] = field(default_factory=dict)


class Recipes:
    """Parts that are not started yet, on `network`; `directory` holds what they read."""

    def __init__(self, directory: Path, network: Network) -> None:
        self._directory = directory
        self._network = network
        self._hosts = {PROVIDER_HOST: find_host(network)}

    def stores(self) -> Iterator[Part]:
        """Redis and PostgreSQL, as in deploy/compose.yaml."""
        redis = Recipe(REDIS, ("redis-server", "--save", "", "--appendonly", "yes"), user="999:999")
        yield self._make("redis", "redis", redis)
        settings = {"POSTGRES_USER": "runestone", "POSTGRES_DB": "runestone", "POSTGRES_PASSWORD": PASSWORD}
        tmpfs = {"/tmp": SMALL, "/var/run/postgresql": "uid=999,gid=999,mode=0775"}
        yield self._make("postgres", "postgres", Recipe(POSTGRES, user="999:999", tmpfs=tmpfs, environment=settings))

    def services(self, replicas: Mapping[str, int]) -> Iterator[Part]:
        """Ours, and Envoy in front."""
        for service, count in replicas.items():
            for number in range(count):
                yield self._make(f"{service}-{number}", service, self._describe(service))
        front = {
            "/etc/envoy/envoy.yaml": self._directory / "envoy.yaml",
            "/etc/envoy/tls/front": self._directory / "certs" / "front",
        }
        command = ("envoy", "-c", "/etc/envoy/envoy.yaml", "--log-level", "warning", "--concurrency", "2")
        ports = (TLS_PORT, PLAIN, GRPC, ENVOYS_ADMIN)
        yield self._make("envoy", "envoy", Recipe(ENVOY, command, "65532:65532", ports, front | self._tls("envoy")))

    def _describe(self, service: str) -> Recipe:
        mounts = {"/etc/runestone": self._directory / "config"} | self._tls(service)
        if service == "edge":
            return Recipe(OURS[service], ports=(HTTP, ADMIN), mounts=mounts)
        probed = {"RUNESTONE_HEALTH": f"{LOOPBACK}:{PROBE}"}
        return Recipe(OURS[service], ports=(PORTS[service],), mounts=mounts, environment=probed)

    def _tls(self, name: str) -> dict[str, Path]:
        return {"/etc/runestone-tls": self._directory / "certs" / name}

    def _make(self, name: str, service: str, recipe: Recipe) -> Part:
        ports = {port: free_port() for port in recipe.ports}
        container = DockerContainer(
            recipe.image,
            command=list(recipe.command) or None,
            env=dict(recipe.environment),
            network=self._network,
            network_aliases=[name, service],
            volumes=[(str(folder), path, "ro") for path, folder in recipe.mounts.items()],
            extra_hosts=self._hosts,
            user=recipe.user,
            labels=LABELS,
            # Asked less often than in production: each question starts a process, beside a dozen of others on few cores.
            healthcheck={"interval": 30 * SECOND, "timeout": 20 * SECOND, "start_period": 60 * SECOND},
            **HARDENED,
        )
        container.ports.update({f"{port}/tcp": (LOOPBACK, outside) for port, outside in ports.items()})
        container.tmpfs.update(recipe.tmpfs)
        return Part(name, service, container, ports)


def find_host(network: Network) -> str:
    """Where this machine is found on the network: at its own address there, else wherever the engine says."""
    gateway = find_gateway(network)
    return gateway if can_listen(gateway) else "host-gateway"


def find_gateway(network: Network) -> str:
    wrapped: Any = network._network
    wrapped.reload()
    return next((str(one["Gateway"]) for one in wrapped.attrs["IPAM"]["Config"] if "Gateway" in one), "")


def can_listen(address: str) -> bool:
    """Not where the engine is in a virtual machine."""
    with socket.socket() as listener:
        try:
            listener.bind((address, 0))
        except OSError:
            return False
    return bool(address)
