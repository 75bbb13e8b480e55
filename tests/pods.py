"""The mesh as a cluster runs it: each replica a process of `runestone serve` at an address of its own, all with one file.

Pods have addresses on loopback (`127.0.10.1` and so on) and the same ports everywhere, as in Kubernetes. The endpoints name every
address that a service may come to have; at some of them nobody listens for the moment.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chassis.client import Channel
from chassis.errors import RunestoneError
from chassis.testing import free_port, redis_process, short_directory
from chassis.tracing import Tracing
from runestone.introspection.v1.introspection_pb2 import GetMetricsRequest, GetStatusRequest
from runestone.introspection.v1.introspection_pb2_grpc import IntrospectionServiceStub

KEY, REDIS_PASSWORD = "acme-key-0123456789", "a-password"
RUNESTONE = Path(sys.executable).with_name("runestone")
NETWORKS = {"edge": 10, "cache": 11, "ratelimit": 12, "provider": 13, "audit": 14}
PLACES = 4  # addresses that each service may have
PATIENCE = 120.0  # seconds for a pod to come up, or to go beyond its grace, on a machine that has other work


@dataclass(frozen=True)
class Ports:
    """One for each purpose, the same in every pod."""

    http: int = field(default_factory=free_port)
    admin: int = field(default_factory=free_port)
    websocket: int = field(default_factory=free_port)
    grpc: int = field(default_factory=free_port)
    services: Mapping[str, int] = field(
        default_factory=lambda: {name: free_port() for name in NETWORKS if name != "edge"}
    )


def write_configuration(ports: Ports, redis: str, drain: Mapping[str, str]) -> dict[str, Any]:
    """The one file, in which each pod's own address is a reference. `drain` goes into the edge's."""
    mesh = {
        name: {"listen": f"${{POD_IP}}:{port}", "endpoints": [f"{address_of(name, n)}:{port}" for n in places_of(name)]}
        for name, port in ports.services.items()
    }
    return {
        "edge": {
            "http": {"host": "${POD_IP}", "port": ports.http},
            "admin": {"host": "${POD_IP}", "port": ports.admin},
            "websocket": {"port": ports.websocket},
            "grpc": {"host": "${POD_IP}", "port": ports.grpc},
            "drain": {"delay": "500ms", "grace": "30s", **drain},
        },
        "mesh": mesh,
        "cache": {"store": f"redis://:${{REDIS_PASSWORD}}@{redis}", "when": "always"},
        "ratelimit": {"store": f"redis://:${{REDIS_PASSWORD}}@{redis}"},
        "providers": [{"name": "sim", "kind": "simulated", "api_key": "${SIM_KEY}"}],
        "models": [
            {"name": name, "targets": [{"provider": "sim", "model": "words=3"}]} for name in ("first", "second")
        ],
        "tenants": [
            {
                "name": "acme",
                "limits": {"requests_per_minute": 10**6},
                "keys": [{"name": "ci", "secret": "${ACME_KEY}"}],
            }
        ],
    }


# What each kind of pod is given: no more than it needs.
SECRETS = {
    "edge": {"ACME_KEY": KEY},
    "cache": {"REDIS_PASSWORD": REDIS_PASSWORD},
    "ratelimit": {"REDIS_PASSWORD": REDIS_PASSWORD},
    "provider": {"SIM_KEY": "a-key"},
    "audit": {},
}


def address_of(service: str, place: int) -> str:
    """The address of a service's pod at a place."""
    return f"127.0.{NETWORKS[service]}.{place + 1}"


def places_of(service: str) -> range:
    """Where replicas may be. audit-svc has one, because its records are in a file."""
    return range(1 if service == "audit" else PLACES)


@dataclass(kw_only=True, eq=False)
class Pod:
    """A replica: a process at an address."""

    service: str
    place: int
    process: subprocess.Popen[bytes]
    config: Path
    log: Path
    ports: Ports

    @property
    def ip(self) -> str:
        return address_of(self.service, self.place)

    @property
    def url(self) -> str:
        """Of an edge's HTTP port."""
        return f"http://{self.ip}:{self.ports.http}"

    async def version(self) -> str:
        """That of the configuration in force."""
        if self.service == "edge":
            return str((await asyncio.to_thread(self._ask_admin))["version"])
        async with self._channel() as channel:
            status = await IntrospectionServiceStub(channel).GetStatus(GetStatusRequest(), timeout=5)
        return status.snapshot_version

    async def follow(self, configuration: Mapping[str, Any]) -> None:
        """Shows it a changed file, and returns when that is in force there."""
        before = await self.version()
        mount(configuration, self.config)
        async with asyncio.timeout(PATIENCE):
            while await self.version() == before:
                await asyncio.sleep(0.05)

    async def is_ready(self) -> bool:
        """As its probe sees it."""
        if self.service == "edge":
            return await asyncio.to_thread(self.read_readiness) == 200
        try:
            async with self._channel() as channel:
                return (await IntrospectionServiceStub(channel).GetStatus(GetStatusRequest(), timeout=1)).ready
        except RunestoneError:
            return False

    def _ask_admin(self) -> dict[str, Any]:
        with urllib.request.urlopen(self.readiness, timeout=5) as answer:
            return json.load(answer)

    @property
    def readiness(self) -> str:
        """Where an edge says whether it is ready."""
        return f"http://{self.ip}:{self.ports.admin}/health/readiness"

    def read_readiness(self) -> int:
        """The status of `/health/readiness`; 0 where nobody answers."""
        try:
            with urllib.request.urlopen(self.readiness, timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        except OSError:
            return 0

    async def served(self, method: str) -> int:
        """How many calls of `method` it has answered."""
        return await self.measure("runestone_rpc_server_seconds_count", method)

    async def measure(self, metric: str, label: str = "") -> int:
        """The sum of a metric over all series with `label` in their labels."""
        return await measure_at(self._address, metric, label)

    @property
    def _address(self) -> str:
        return f"{self.ip}:{self.ports.services[self.service]}"

    def _channel(self) -> Channel:
        return Channel(self._address, tracing=Tracing("test"), timeout=5)


async def measure_at(address: str, metric: str, label: str = "") -> int:
    """The sum of a service's metric over all series with `label` in their labels."""
    async with Channel(address, tracing=Tracing("test"), timeout=5) as channel:
        answer = await IntrospectionServiceStub(channel).GetMetrics(GetMetricsRequest(), timeout=5)
    lines = answer.exposition.decode().splitlines()
    found = [line for line in lines if line.startswith(metric) and label in line]
    return int(sum(float(line.rsplit(" ", 1)[1]) for line in found))


class Cluster:
    """Starts pods and stops them as a Deployment does. `directory` holds their files and what they write, `configuration` is what a new pod
    starts with."""

    def __init__(self, directory: Path, ports: Ports, configuration: Mapping[str, Any]) -> None:
        self.directory = directory
        self.ports = ports
        self.pods: list[Pod] = []
        self.configuration = configuration
        self._starts = 0

    def of(self, service: str) -> list[Pod]:
        """The replicas of a service, oldest first."""
        return [pod for pod in self.pods if pod.service == service]

    def start(self, service: str, place: int | None = None) -> Pod:
        """A new pod, at the first free place or at `place`."""
        taken = {pod.place for pod in self.of(service)}
        place = next(number for number in places_of(service) if number not in taken) if place is None else place
        self._starts += 1
        name = f"{service}-{place}"
        log = self.directory / f"{name}.{self._starts}.log"
        ip, data = address_of(service, place), self.directory / name
        kept = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
        config = self.directory / f"{name}.yaml"
        mount(self.configuration, config)
        command = [str(RUNESTONE), "serve", service, "--config", str(config), "--data-dir", str(data)]
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**kept, "POD_IP": ip, **SECRETS[service]},
            )
        pod = Pod(service=service, place=place, process=process, config=config, log=log, ports=self.ports)
        self.pods.append(pod)
        return pod

    async def wait_until_ready(self, *pods: Pod) -> None:
        """Returns when all of `pods` are ready. Raises AssertionError with the log of one that ended."""
        async with asyncio.timeout(PATIENCE):
            for pod in pods:
                while not await pod.is_ready():
                    assert pod.process.poll() is None, f"{pod.service} ended:\n{pod.log.read_text()[-3000:]}"
                    await asyncio.sleep(0.05)

    async def stop(self, pod: Pod) -> int:
        """SIGTERM; returns the exit code once it has ended."""
        self.pods.remove(pod)
        pod.process.send_signal(signal.SIGTERM)
        return await asyncio.to_thread(pod.process.wait, 30 + PATIENCE)

    def end(self) -> None:
        """Ends what is left, at once."""
        for pod in self.pods:
            pod.process.kill()
            pod.process.wait()


def mount(configuration: Mapping[str, Any], path: Path) -> None:
    """Writes a pod's file, whole from one moment to the next."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps(configuration))  # JSON is YAML
    new.replace(path)


@asynccontextmanager
async def cluster(replicas: Mapping[str, int], **drain: str) -> AsyncIterator[Cluster]:
    """A ready cluster with so many `replicas` of each service, and a Redis behind it."""
    with short_directory() as directory:
        async with redis_process(None, "--requirepass", REDIS_PASSWORD) as server:
            ports = Ports()
            redis = server.url.removeprefix("redis://")
            made = Cluster(directory, ports, write_configuration(ports, redis, drain))
            try:
                for service, count in replicas.items():
                    for _ in range(count):
                        made.start(service)
                await made.wait_until_ready(*made.pods)
                yield made
            finally:
                made.end()
