"""The TypeScript client, `sdk/typescript`: by itself, and against the whole mesh."""

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from cutting_proxy import CuttingProxy
from fake_provider import FakeProvider
from node_scenarios import list_scenarios, play
from real_mesh import ACME, Mesh, mesh_running

from runestone.introspection.v1.introspection_pb2 import GetStatusRequest
from runestone.introspection.v1.introspection_pb2_grpc import IntrospectionServiceStub

FOLDER = Path(__file__).parents[2] / "sdk" / "typescript"
SCENARIOS = FOLDER / "tests" / "scenarios.mjs"
EDGE = {"workers": 2, "http": {"port": 0}, "admin": {"port": 0}, "websocket": {"port": 0}, "grpc": {"port": 0}}

pytestmark = pytest.mark.skipif(
    shutil.which("node") is None or not (FOLDER / "dist").exists(), reason="node and npm are needed, and `make node`"
)


def edge_processes(mesh: Mesh) -> list[int]:
    found = []
    for name, address in mesh.about["services"].items():
        if name.startswith("edge"):
            with grpc.insecure_channel(address) as channel:
                status = IntrospectionServiceStub(channel).GetStatus(GetStatusRequest(), timeout=5, wait_for_ready=True)
                found.append(status.process_id)
    return found


@pytest.fixture(scope="module")
def mesh() -> Iterator[Mesh]:
    with mesh_running(edge=EDGE) as running:
        yield running


def test_its_own_tests_pass() -> None:
    done = subprocess.run(
        ["node", "--test", "tests/hearts.test.mjs"], cwd=FOLDER, capture_output=True, text=True, timeout=50, check=False
    )
    assert done.returncode == 0, done.stdout
    assert "# pass 0" not in done.stdout


@pytest.mark.parametrize("scenario", list_scenarios(SCENARIOS))
async def test_a_program_uses_it(mesh: Mesh, scenario: str) -> None:
    async with FakeProvider(port=mesh.fake_port) as fake, CuttingProxy(mesh.about["http"]["port"]) as proxy:
        loop = asyncio.get_running_loop()

        def do(cue: str) -> None:
            if cue == "cut":
                loop.call_soon_threadsafe(proxy.cut)
                return
            assert cue == "kill"
            for process in edge_processes(mesh):
                os.kill(process, signal.SIGKILL)

        await play(SCENARIOS, f"http://127.0.0.1:{proxy.port}", ACME, scenario, do)
        if scenario.startswith("streams_go_on"):
            assert fake.requests == 2, "each was asked once"
