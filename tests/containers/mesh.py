"""The whole gateway as containers of our images: Envoy, two edges, replicas of every service, Redis and PostgreSQL, with mutual TLS inside."""

import json
import os
import ssl
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx
from real_mesh import ACME, RUNESTONE, Mesh
from testcontainers.core.network import Network

from chassis.testing import free_port, short_directory
from containers.configuration import write_envoy, write_settings, write_tls
from containers.orphans import LABELS, remove_orphans
from containers.part import LOOPBACK, PATIENCE, Part
from containers.recipes import ADMIN, ENVOYS_ADMIN, GRPC, HTTP, PLAIN, STORES, TLS_PORT, Recipes
from launcher.envoy.sites import PORTS
from runestone.audit.v1.audit_pb2 import AuditRecord, SearchRequest
from runestone.audit.v1.audit_pb2_grpc import AuditServiceStub

REPLICAS = {"cache": 1, "ratelimit": 2, "provider": 2, "audit": 2, "edge": 2}
HELLO = {"model": "simulated", "messages": [{"role": "user", "content": "Hello"}]}
AUTH = {"authorization": f"Bearer {ACME}"}


@dataclass(frozen=True)
class ContainerMesh(Mesh):
    """`parts` by their names (`edge-0`, `cache-0`, `envoy`, `redis`); `network` is what they reach each other by."""

    parts: Mapping[str, Part]
    network: Any

    @property
    def about(self) -> dict[str, Any]:
        """As in the `mesh.json` of a mesh of processes. Clients are in front of Envoy."""
        front = {"scheme": "http", "host": LOOPBACK, "port": self.parts["envoy"].ports[PLAIN]}
        return {
            "http": front,
            "websocket": front,
            "admin": {"host": LOOPBACK, "port": self.parts["edge-0"].ports[ADMIN]},
            "grpc": {"host": LOOPBACK, "port": self.parts["envoy"].ports[GRPC]},
            "services": {
                part.name: part.address(PORTS[part.service]) for part in self.parts.values() if part.service in PORTS
            },
            "config": str(self.data_dir / "config" / "runestone.yaml"),
        }

    @property
    def secure_url(self) -> str:
        """Envoy's address with TLS; `ca` has signed its certificate."""
        return f"https://{self.parts['envoy'].address(TLS_PORT)}"

    @property
    def ca(self) -> str:
        return str(self.data_dir / "certs" / "front" / "ca.crt")

    def of(self, service: str) -> list[Part]:
        """The replicas of a service."""
        return [part for part in self.parts.values() if part.service == service]

    def edge_url(self, edge: Part) -> str:
        """Past Envoy, for who shows a certificate of the mesh."""
        return f"https://{edge.address(HTTP)}"

    def operators_tls(self) -> ssl.SSLContext:
        """Shows the operator's certificate; edges have names in theirs that this machine does not know."""
        folder = self.data_dir / "certs" / "operator"
        context = ssl.create_default_context(cafile=folder / "ca.crt")
        context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
        context.check_hostname = False
        return context

    def command(self, *arguments: str) -> list[dict[str, Any]]:
        """With the operator's certificate, from outside of the network."""
        line = [str(RUNESTONE), *arguments, "--json"]
        environment = {**os.environ, "RUNESTONE_CONFIG": str(self.data_dir / "operator.yaml")}
        environment["RUNESTONE_DATA_DIR"] = str(self.data_dir / "nobody-runs-here")
        done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False, env=environment)
        assert done.returncode == 0, done.stderr
        return [json.loads(row) for row in done.stdout.splitlines()]

    def operators_view(self) -> dict[str, Any]:
        """The services as they are found from outside of the network; the first replica of each."""
        peers = {name: {"endpoints": [self.of(name)[0].address(port)]} for name, port in PORTS.items()}
        return peers | {"tls": write_tls(self.data_dir / "certs" / "operator")}

    def channel(self, part: Part) -> grpc.Channel:
        """To a service, with the operator's certificate."""
        files = [
            (self.data_dir / "certs" / "operator" / name).read_bytes() for name in ("ca.crt", "tls.key", "tls.crt")
        ]
        named = (("grpc.ssl_target_name_override", f"{part.service}.runestone.local"),)
        return grpc.secure_channel(part.address(PORTS[part.service]), grpc.ssl_channel_credentials(*files), named)

    def audit_records(self, **conditions: Any) -> list[AuditRecord]:
        """Whichever replica answers: they have one store. One that has just lost it is asked again."""
        part = next(part for part in self.of("audit") if part.state["Running"] and not part.state["Paused"])
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return self._search(part, SearchRequest(page_size=1000, **conditions))
            except grpc.RpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def _search(self, part: Part, request: SearchRequest) -> list[AuditRecord]:
        with self.channel(part) as channel:
            return list(AuditServiceStub(channel).Search(request, timeout=20, wait_for_ready=True).records)

    def stats(self, pattern: str) -> dict[str, int]:
        """Envoy's counters and gauges whose names match a regular expression."""
        url = f"http://{self.parts['envoy'].address(ENVOYS_ADMIN)}/stats"
        text = httpx.get(url, params={"filter": pattern}, timeout=10).text
        rows = (line.rsplit(": ", 1) for line in text.splitlines() if ": " in line)
        return {name: int(value) for name, value in rows if value.isdigit()}

    def wait_until_whole(self) -> None:
        """Every edge has all it needs, and Envoy has every edge."""
        deadline = time.monotonic() + PATIENCE
        missing = ["?"]
        while missing := list(self._list_missing()):
            assert time.monotonic() < deadline, "\n".join(
                [*missing, *(self.parts[name].log() for name in missing if name in self.parts)]
            )
            time.sleep(0.2)

    def _list_missing(self) -> Iterator[str]:
        for edge in self.of("edge"):
            if not is_undisturbed(self.edge_url(edge), self.operators_tls()) or not is_ready(
                f"http://{edge.address(ADMIN)}/health/readiness"
            ):
                yield edge.name
        if not is_ready(f"http://{self.parts['envoy'].address(ENVOYS_ADMIN)}/ready"):
            yield "envoy"
            return
        healthy = self.stats(r"^cluster\.(edge|door|cache|ratelimit|provider|audit)\.membership_healthy$")
        for name in REPLICAS:
            if healthy.get(f"cluster.{name}.membership_healthy") != len(self.of(name)):
                yield f"{name} at Envoy: {healthy}"


def is_undisturbed(url: str, tls: ssl.SSLContext) -> bool:
    """Whether a call is answered, with every part at work."""
    try:
        answer = httpx.post(
            f"{url}/v1/chat/completions", json=HELLO | {"temperature": 0}, headers=AUTH, timeout=10, verify=tls
        )
    except httpx.TransportError:
        return False
    is_cached = answer.headers.get("x-cache") in {"HIT", "MISS"}
    return answer.status_code == 200 and is_cached and "x-runestone-degraded" not in answer.headers


def is_ready(url: str) -> bool:
    try:
        return httpx.get(url, timeout=10).status_code == 200
    except httpx.TransportError:
        return False


@contextmanager
def container_mesh_running() -> Iterator[ContainerMesh]:
    """All parts until each is reached by each that needs it; removed afterwards, with their volumes and their network."""
    remove_orphans()
    with short_directory() as directory, Network(docker_network_kw={"labels": LABELS}) as network, ExitStack() as stack:
        fake_port = free_port()
        write_files(directory, fake_port)
        recipes = Recipes(directory, network)
        parts = {part.name: part for part in [*recipes.stores(), *recipes.services(REPLICAS)]}
        mesh = ContainerMesh(directory, None, fake_port, directory / "log", parts, network)
        for part in parts.values():
            stack.callback(part.remove)
        start(part for part in parts.values() if part.service in STORES)
        wait_for_stores(parts)
        start(part for part in parts.values() if part.service not in STORES)
        (directory / "operator.yaml").write_text(json.dumps({"mesh": mesh.operators_view()}))
        mesh.wait_until_whole()
        yield mesh


def start(parts: Iterable[Part]) -> None:
    """All at once: each waits for the engine most of the time."""
    with ThreadPoolExecutor(4) as pool:
        for started in [pool.submit(part.container.start) for part in parts]:
            started.result()


def wait_for_stores(parts: Mapping[str, Part]) -> None:
    deadline = time.monotonic() + PATIENCE
    for name, question in STORES.items():
        while (answer := parts[name].run(*question))[0]:
            assert time.monotonic() < deadline, f"{name} {answer}:\n{parts[name].log()}"
            time.sleep(0.2)


def write_files(directory: Path, fake_port: int) -> None:
    """What the parts find in their folders. Each reads them as another user: only those who may enter `directory` can."""
    subprocess.run(
        [
            RUNESTONE,
            "certs",
            "create",
            "--out",
            directory / "certs",
            "--front-host",
            "localhost",
            "--front-host",
            LOOPBACK,
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )
    (directory / "config").mkdir()
    (directory / "config" / "runestone.yaml").write_text(json.dumps(write_settings(fake_port)))  # JSON is YAML
    (directory / "envoy.yaml").write_text(write_envoy())
    for path in directory.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
