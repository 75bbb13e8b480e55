"""The chart's Envoy as a process on loopback: its rendered configuration and certificates, with a fake edge behind it.

Only what a pod has and this machine has not is replaced: DNS names of the cluster, ports, and the folders of Secrets.
"""

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

from charting.render import Render
from chassis.testing import free_port
from launcher.errors import LaunchError
from launcher.mesh.envoy_process import find_envoy

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

SECRETS = {
    "front": "demo-runestone-front-tls",
    "mesh": "demo-runestone-envoy-mesh-tls",
    "edge": "demo-runestone-edge-mesh-tls",
}
FOLDERS = {"/etc/envoy/tls": "front", "/etc/runestone/tls": "mesh"}
LISTENERS = {"https": 8443, "http": 8080, "grpc": 50050, "metrics": 9902, "admin": 9901}
EDGE, EDGE_ADMIN = 4003, 4004
PATIENCE = 60  # seconds for a process to come up or to end, on a busy machine


def has_envoy() -> bool:
    """Whether there is one on this machine."""
    try:
        find_envoy()
    except LaunchError:
        return False
    return True


@dataclass(frozen=True)
class Front:
    """Where it listens, by the names of its ports, and the folder with its certificates."""

    ports: dict[str, int]
    folder: Path


@asynccontextmanager
async def running_front(render: Render, answer: Handler, folder: Path) -> AsyncIterator[Front]:
    """Envoy in front of an edge that answers with `answer` and says that it is ready."""
    ports = {name: free_port() for name in LISTENERS}
    upstream = {EDGE: free_port(), EDGE_ADMIN: free_port()}
    write_envoy(render, ports, upstream, folder)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(_serving(answer, upstream[EDGE], edge_context(render, folder)))
        await stack.enter_async_context(_serving(_say_ready, upstream[EDGE_ADMIN], None))
        await stack.enter_async_context(running_envoy(folder))
        await wait_for_page(ports["metrics"], "/ready")
        yield Front(ports, folder)


def write_envoy(render: Render, ports: dict[str, int], upstream: dict[int, int], folder: Path) -> None:
    """The volumes of Envoy's pod, with its own ports (by their names) and those of services (by the number in a pod) on this machine."""
    write_secrets(render, folder)
    moved = {number: ports[name] for name, number in LISTENERS.items()} | upstream
    (folder / "envoy.yaml").write_text(json.dumps(localise(render, moved, folder)))


def write_secrets(render: Render, folder: Path) -> None:
    """The Secrets that Envoy's and the edge's pods mount, as files."""
    made = {secret["metadata"]["name"]: secret["data"] for secret in render.of("Secret")}
    for name, secret in SECRETS.items():
        (folder / name).mkdir()
        for key, value in made.get(secret, {}).items():
            (folder / name / key).write_bytes(base64.b64decode(value))


def edge_context(render: Render, folder: Path) -> ssl.SSLContext | None:
    """How the edge serves, as runestone.yaml says: with its certificate, to who shows one of the same authority."""
    if "tls" not in render.settings["edge"]["http"]:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(folder / "edge" / "ca.crt"))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(folder / "edge" / "tls.crt", folder / "edge" / "tls.key")
    return context


def localise(render: Render, ports: dict[int, int], folder: Path) -> dict[str, Any]:
    """The rendered configuration for this machine."""
    text = render.named("ConfigMap", "demo-runestone-envoy-config")["data"]["envoy.yaml"]
    for there, here in FOLDERS.items():
        text = text.replace(there, str(folder / here))

    def move(value: Any) -> Any:
        if isinstance(value, list):
            return [move(one) for one in value]
        if not isinstance(value, dict):
            return value
        moved = {key: move(one) for key, one in value.items()}
        if "port_value" in value:
            moved["port_value"] = ports.get(value["port_value"], value["port_value"])
        if "address" in value and isinstance(value["address"], str):
            moved["address"] = "127.0.0.1"
        return moved

    return move(yaml.safe_load(text))


@asynccontextmanager
async def _serving(answer: Handler, port: int, context: ssl.SSLContext | None) -> AsyncIterator[None]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context).start()
        yield
    finally:
        await runner.cleanup()


async def _say_ready(_request: web.Request) -> web.Response:
    return web.json_response({"status": "ready"})


@asynccontextmanager
async def running_envoy(folder: Path) -> AsyncIterator[None]:
    options = ("--concurrency", "1", "--log-level", "warning", "--use-dynamic-base-id")
    command = (find_envoy(), "--config-path", folder / "envoy.yaml", *options)
    async with running_process(*command, log=folder / "envoy.log"):
        yield


@asynccontextmanager
async def running_process(*command: str | Path, log: Path, env: Mapping[str, str] | None = None) -> AsyncIterator[None]:
    """A process that ends with the context, having said into `log` what it had to say."""
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *command, env=env, stdin=asyncio.subprocess.DEVNULL, stdout=file, stderr=file
        )
        try:
            yield
        finally:
            if process.returncode is None:
                process.terminate()
            async with asyncio.timeout(PATIENCE):
                await process.wait()


async def wait_for_page(port: int, path: str) -> None:
    """Returns when it is answered with 200."""
    async with asyncio.timeout(PATIENCE):
        while await fetch(port, path) != 200:
            await asyncio.sleep(0.1)


async def fetch(port: int, path: str) -> int:
    """The status that a page on loopback is answered with; 0 while nobody listens."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return 0
    writer.write(f"GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".encode())
    line = await reader.readline()
    writer.close()
    return int(line.split()[1]) if line else 0
