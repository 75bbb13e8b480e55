"""`runestone serve`: where a service on its own listens and finds its peers."""

import asyncio
import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from chassis.config import parse_settings
from chassis.testing import free_port
from launcher.serving import find_listen, find_peer
from launcher.topology import TOPOLOGY

NODES = {node.name: node for node in TOPOLOGY}
RUN = Path("/run/r")


@pytest.mark.parametrize(
    ("name", "text", "address"),
    [
        ("cache", "", "127.0.0.1:50051"),
        ("ratelimit", "", "127.0.0.1:50052"),
        ("provider", "mesh: {provider: {listen: 0.0.0.0}}", "0.0.0.0:50053"),
        ("audit", "mesh: {audit: {listen: 0.0.0.0:9}}", "0.0.0.0:9"),
        ("audit", "mesh: {audit: {listen: unix:/run/a.sock}}", "unix:/run/a.sock"),
        ("edge", "", "unix:/run/r/edge.sock"),
    ],
)
def test_it_listens_where_the_configuration_says(name, text, address):
    assert find_listen(NODES[name], parse_settings(text), RUN) == address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("", "127.0.0.1:50051"),
        ("mesh: {cache: {endpoints: [cache.mesh]}}", "cache.mesh:50051"),
        ("mesh: {cache: {endpoints: [10.0.0.1, 10.0.0.2]}}", "10.0.0.1:50051,10.0.0.2:50051"),
    ],
)
def test_it_finds_its_peers_by_their_endpoints(text, address):
    assert find_peer("cache", parse_settings(text)) == address


def read_status(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/readiness", timeout=5) as answer:
            return json.load(answer)["parts"]["edge"]["version"]
    except (urllib.error.URLError, ConnectionError):
        return ""


def edge_alone(data_dir: Path, config: Path) -> AbstractAsyncContextManager[asyncio.subprocess.Process]:
    return service_alone("edge", data_dir, config)


@asynccontextmanager
async def service_alone(name: str, data_dir: Path, config: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A service without its peers, stopped with SIGTERM: it must stop cleanly."""
    command = [sys.executable, "-m", "launcher", "serve", name, "--config", str(config), "--data-dir", str(data_dir)]
    edge = await asyncio.create_subprocess_exec(
        *command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield edge
        edge.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            assert await edge.wait() == 0
    finally:
        edge.stdin.close()
        if edge.returncode is None:
            edge.kill()
            await edge.wait()


async def version_after(port: int, before: str = "") -> str:
    """The version in force, once it is another than `before`."""
    async with asyncio.timeout(30):
        while (version := await asyncio.to_thread(read_status, port)) in ("", before):
            await asyncio.sleep(0.05)
    return version


async def test_an_edge_on_its_own_brings_the_operators_port_and_stops_cleanly(data_dir):
    """Its peers are not there: it is up all the same. Its configuration comes through a pipe, which can be read once."""
    port = free_port()
    config = f"edge: {{http: {{port: {free_port()}}}, admin: {{port: {port}}}, grpc: {{port: 0}}}}"
    async with edge_alone(data_dir, Path("/dev/stdin")) as edge:
        edge.stdin.write(config.encode())
        edge.stdin.close()
        version = await version_after(port)
    assert len(version) == 16
    assert (data_dir / "development.key").exists()


def read(port: int, path: str, **headers: str) -> tuple[int, str]:
    """Status and body of a page of a service's own port; 0 while nobody listens."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read().decode()
    except (urllib.error.URLError, ConnectionError):
        return 0, ""


@pytest.mark.parametrize("service", ["cache", "ratelimit", "provider", "audit"])
async def test_a_service_on_its_own_shows_operators_its_health_and_metrics_where_it_is_told_to(service, data_dir):
    port = free_port()
    config = data_dir / "mesh.yaml"
    config.write_text(f"mesh: {{{service}: {{listen: '127.0.0.1:{free_port()}', admin: '127.0.0.1:{port}'}}}}")
    async with service_alone(service, data_dir, config):
        async with asyncio.timeout(30):
            while (await asyncio.to_thread(read, port, "/health/readiness"))[0] != 200:
                await asyncio.sleep(0.05)
        ready = json.loads((await asyncio.to_thread(read, port, "/health/readiness"))[1])
        assert ready["status"] == "ready"
        assert ready["facts"]["listening"]["holds"]
        assert len(ready["version"]) == 16
        assert (await asyncio.to_thread(read, port, "/health/liveness"))[0] == 200
        status, text = await asyncio.to_thread(read, port, "/metrics")
        assert status == 200
        assert f'runestone_rpc_server_running{{service="{service}"}}' in text
        assert 'runestone_snapshot_info{service="launcher"' in text
        status, text = await asyncio.to_thread(read, port, "/metrics", Accept="application/openmetrics-text")
        assert (status, text.endswith("# EOF\n")) == (200, True)
        assert (await asyncio.to_thread(read, port, "/admin/v1/reload"))[0] == 404


async def test_an_edge_on_its_own_follows_its_mounted_file(data_dir):
    """In Kubernetes nobody publishes: each pod sees the ConfigMap change, and may be told to look."""
    port, mounted = free_port(), data_dir / "mounted"
    config = f"edge: {{http: {{port: {free_port()}}}, admin: {{port: {port}, key: an-admin-key-0123456789}}, grpc: {{port: 0}}}}\n"
    mounted.mkdir()

    def mount(number: int, more: str) -> None:
        (mounted / f"..{number}").mkdir()
        (mounted / f"..{number}" / "runestone.yaml").write_text(config + more)
        (mounted / "..tmp").symlink_to(f"..{number}")
        (mounted / "..tmp").replace(mounted / "..data")

    mount(1, "")
    (mounted / "runestone.yaml").symlink_to("..data/runestone.yaml")
    async with edge_alone(data_dir, mounted / "runestone.yaml") as edge:
        first = await version_after(port)
        mount(2, "cache: {when: always}")
        second = await version_after(port, first)
        edge.send_signal(signal.SIGHUP)
        assert await asyncio.to_thread(reload_by_post, port, "a-wrong-key-0123456789") == (403, None)
        assert await asyncio.to_thread(reload_by_post, port, "an-admin-key-0123456789") == (200, second)


def reload_by_post(port: int, key: str) -> tuple[int, str | None]:
    """The status, and the version in force."""
    url = f"http://127.0.0.1:{port}/admin/v1/reload"
    request = urllib.request.Request(url, method="POST", headers={"Authorization": f"Bearer {key}"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)["version"]
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error).get("version")
