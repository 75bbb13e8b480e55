"""What the chart renders, run as processes on loopback: each service under the configuration, the certificate and the secrets of its own pod.

Only what a pod has and this machine has not is replaced: addresses, ports, and the folders of volumes.
"""

import base64
import copy
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from charting.configuration import SERVICES
from charting.front import LISTENERS, Front, running_envoy, running_process, wait_for_page, write_envoy
from charting.pods import component_of, containers_of, workloads
from charting.render import Render
from chassis.testing import free_port

PEERS = SERVICES[1:]


@dataclass(frozen=True)
class RunningMesh:
    """Its front, and the ports that kubelets ask, by service and by their names in the manifests."""

    front: Front
    ports: Mapping[str, Mapping[str, int]]
    secrets: Mapping[str, str]


@asynccontextmanager
async def running_mesh(render: Render, folder: Path) -> AsyncIterator[RunningMesh]:
    """Five services and Envoy, ready."""
    ports = draw_ports(render)
    settings = localise_settings(render, ports)
    fronts = {name: free_port() for name in LISTENERS}
    async with AsyncExitStack() as stack:
        for service in SERVICES:
            home = write_pod(render, service, settings, folder / service)
            await stack.enter_async_context(_running(service, home, environment_of(render, service)))
        (folder / "envoy").mkdir()
        edge = {4003: ports["edge"]["http"], 4004: ports["edge"]["admin"], 4006: ports["edge"]["grpc"]}
        inner = {50051 + number: ports[name]["mesh"] for number, name in enumerate(PEERS)}
        write_envoy(render, fronts, edge | inner, folder / "envoy")
        await stack.enter_async_context(running_envoy(folder / "envoy"))
        await wait_for_page(ports["edge"]["admin"], "/health/readiness")
        await wait_for_page(fronts["metrics"], "/ready")
        yield RunningMesh(Front(fronts, folder / "envoy"), ports, secrets_of(render))


def draw_ports(render: Render) -> dict[str, dict[str, int]]:
    """A free port for each that a container has."""
    return {
        component_of(workload): {port["name"]: free_port() for port in container["ports"]}
        for workload in workloads(render)
        if component_of(workload) in SERVICES
        for container in containers_of(workload)
    }


def localise_settings(render: Render, ports: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    """runestone.yaml for this machine."""
    settings = copy.deepcopy(render.settings)
    for name in PEERS:
        peer, own = settings["mesh"][name], ports[name]
        peer["endpoints"] = [f"127.0.0.1:{own['mesh']}"]
        for key, port in (("listen", "mesh"), ("probe", "probe"), ("admin", "admin")):
            peer[key] = f"127.0.0.1:{own[port]}"
    for door, port in ports["edge"].items():
        settings["edge"][door]["port"] = port
        if "host" in settings["edge"][door]:
            settings["edge"][door]["host"] = "127.0.0.1"
    return settings


def write_pod(render: Render, service: str, settings: dict[str, Any], home: Path) -> Path:
    """The volumes of a pod, as folders."""
    (home / "etc" / "tls").mkdir(parents=True)
    (home / "data").mkdir()
    text = yaml.safe_dump(settings).replace("/etc/runestone/", f"{home}/etc/")
    (home / "etc" / "runestone.yaml").write_text(text)
    for secret in render.of("Secret"):
        if secret["metadata"]["name"] == f"demo-runestone-{service}-mesh-tls":
            for key, value in secret["data"].items():
                (home / "etc" / "tls" / key).write_bytes(base64.b64decode(value))
    return home


def secrets_of(render: Render) -> dict[str, str]:
    """The values of the Secret with the keys that the chart made."""
    data = render.named("Secret", "demo-runestone-keys")["data"]
    return {key: base64.b64decode(value).decode() for key, value in data.items()}


def environment_of(render: Render, service: str) -> dict[str, str]:
    """What a pod's container has of Secrets."""
    made = {secret["metadata"]["name"]: secret["data"] for secret in render.of("Secret")}
    (workload,) = [found for found in workloads(render) if component_of(found) == service]
    (container,) = containers_of(workload)
    references = {v["name"]: v["valueFrom"]["secretKeyRef"] for v in container["env"] if "valueFrom" in v}
    return {name: base64.b64decode(made[one["name"]][one["key"]]).decode() for name, one in references.items()}


def _running(service: str, home: Path, secrets: Mapping[str, str]) -> AbstractAsyncContextManager[None]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RUNESTONE_")}
    places = {"RUNESTONE_CONFIG": str(home / "etc" / "runestone.yaml"), "RUNESTONE_DATA_DIR": str(home / "data")}
    command = (sys.executable, "-m", "launcher", "serve", service)
    return running_process(*command, log=home / "log", env={**kept, **places, **secrets})
