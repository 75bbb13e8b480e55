"""`runestone serve`: where a service on its own listens and finds its peers."""

import asyncio
import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
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
        ("mesh: {cache: {endpoints: [10.0.0.1, 10.0.0.2]}}", "ipv4:10.0.0.1:50051,10.0.0.2:50051"),
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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
async def test_an_edge_on_its_own_brings_the_operators_port_and_stops_cleanly(data_dir, number):
    """Its peers are not there: it is up all the same. Its configuration comes through a pipe, which can be read once."""
    port = free_port()
    config = f"edge: {{http: {{port: {free_port()}}}, admin: {{port: {port}}}}}"
    command = [sys.executable, "-m", "launcher", "serve", "edge", "--config", "/dev/stdin", "--data-dir", str(data_dir)]
    edge = await asyncio.create_subprocess_exec(
        *command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        edge.stdin.write(config.encode())
        edge.stdin.close()
        async with asyncio.timeout(30):
            while not (version := await asyncio.to_thread(read_status, port)):
                await asyncio.sleep(0.05)
        edge.send_signal(number)
        async with asyncio.timeout(20):
            assert await edge.wait() == 0
    finally:
        if edge.returncode is None:
            edge.kill()
            await edge.wait()
    assert len(version) == 16
    assert (data_dir / "development.key").exists()
