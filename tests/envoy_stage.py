"""A real Envoy without a mesh: what stands behind it are sockets of the test's own."""

import asyncio
import datetime as dt
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from chassis.testing import free_port, short_directory
from launcher.envoy.endpoints import Endpoint
from launcher.envoy.site import Bounds, Site
from launcher.errors import LaunchError
from launcher.mesh.certificate import ensure_certificate
from launcher.mesh.envoy_process import EnvoyFiles, find_envoy
from launcher.mesh.local_site import local_site
from launcher.mesh.order import EnvoyPorts
from launcher.mesh.parts import list_clusters

PATIENCE = 20.0
LOOPBACK = "127.0.0.1"
CLOSE = b"content-length: 0\r\nconnection: close\r\n\r\n"
READY, NOT_READY = b"HTTP/1.1 200 OK\r\n" + CLOSE, b"HTTP/1.1 503 Service Unavailable\r\n" + CLOSE
FINE = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


@dataclass
class Envoy:
    """A running Envoy and its files."""

    files: EnvoyFiles
    ports: EnvoyPorts

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.ports.plain}"

    def tell(self, **clusters: list[Endpoint]) -> None:
        self.files.write_clusters(clusters)

    async def stat(self, name: str) -> int:
        async with httpx.AsyncClient() as client:
            text = (await client.get(f"http://{LOOPBACK}:{self.ports.admin}/stats?filter=^{name}$")).text
        return int(text.rpartition(":")[2] or 0)

    async def wait_for(self, holds: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not await holds():
                await asyncio.sleep(0.02)

    async def wait_for_members(self, cluster: str, count: int) -> None:
        async def are_there() -> bool:
            return await self.stat(f"cluster.{cluster}.membership_healthy") == count

        await self.wait_for(are_there)

    async def wait_until_gone(self, cluster: str) -> None:
        """One that is taken from the list stays until it says that it is not ready."""

        async def are_gone() -> bool:
            return await self.stat(f"cluster.{cluster}.membership_total") == 0

        await self.wait_for(are_gone)


@contextmanager
def envoy_running(change: Callable[[Site], Site] = lambda site: site) -> Iterator[Envoy]:
    try:
        program = find_envoy()
    except LaunchError as error:
        pytest.skip(str(error))
    with short_directory() as folder:
        ensure_certificate(folder / "tls", dt.datetime.now(dt.UTC))
        files = EnvoyFiles(folder)
        ports = EnvoyPorts(tls=free_port(), plain=free_port(), grpc=free_port(), admin=free_port())
        site = local_site(ports, files, folder / "tls", rate_limits=False)
        files.write_bootstrap(change(replace(site, bounds=Bounds(health_interval=0.1))))
        files.write_clusters(list_clusters([]))
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(files.command(program).arguments, stdout=log, stderr=log)
        try:
            wait_until_live(ports.admin, process, folder / "log")
            yield Envoy(files, ports)
        finally:
            process.terminate()
            try:
                process.wait(10)
            finally:
                process.kill()
        assert "[critical]" not in (folder / "log").read_text()


def wait_until_live(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    transport = httpx.HTTPTransport(retries=100)  # with pauses between that grow
    with httpx.Client(transport=transport) as client:
        while client.get(f"http://{LOOPBACK}:{port}/ready", timeout=PATIENCE).text.strip() != "LIVE":
            assert process.poll() is None, log.read_text()


@dataclass
class Gateway:
    """A gateway that says it is ready, and does `behave` with everything else that it is asked. `asked` counts that."""

    behave: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
    asked: int = 0
    is_ready: bool = True
    heads: list[bytes] = field(default_factory=list)
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                if b"/health/readiness" in head:
                    writer.write(READY if self.is_ready else NOT_READY)
                    break
                self.asked += 1
                self.heads.append(head)
                await self.behave(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # at the end of the test; the stream protocol would complain of a task that was cancelled
        finally:
            writer.close()


@asynccontextmanager
async def gateways(
    envoy: Envoy, *behaviours: Any, dead: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[list[Gateway]]:
    """As many gateways behind Envoy, and `dead` ports at which nobody listens, of which somebody says that they are well. With `tls` they
    say how they are on another port, in the clear, as edges do."""
    served = [Gateway(behave) for behave in (*behaviours, answer)]
    async with AsyncExitStack() as stack:
        for gateway in served:
            own = tls if gateway is not served[-1] else None
            server = await asyncio.start_server(gateway.serve, LOOPBACK, 0, ssl=own)
            gateway.port = server.sockets[0].getsockname()[1]
            stack.callback(server.close)
        *alive, herald = served
        health = herald.port if tls else None
        endpoints = [Endpoint(host=LOOPBACK, port=gateway.port, health_port=health) for gateway in alive]
        endpoints += [Endpoint(host=LOOPBACK, port=free_port(), health_port=herald.port) for _ in range(dead)]
        envoy.tell(edge=endpoints)
        await envoy.wait_for_members("edge", len(endpoints))
        yield alive
        for gateway in served:
            gateway.is_ready = False
        envoy.tell(edge=[])
        await envoy.wait_until_gone("edge")


async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(FINE)


async def vanish(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def ask(envoy: Envoy, **more: Any) -> httpx.Response:
    async with httpx.AsyncClient(base_url=envoy.url, timeout=PATIENCE) as client:
        return await client.post("/v1/chat/completions", json={"model": "m"}, **more)
