"""Phoenix' own JavaScript client, unmodified, against the whole mesh: the scenarios of `tests/e2e/phoenix`."""

import asyncio
import os
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from cutting_proxy import CuttingProxy
from fake_provider import FakeProvider
from real_mesh import ACME, Mesh, mesh_running

from runestone.introspection.v1.introspection_pb2 import GetStatusRequest
from runestone.introspection.v1.introspection_pb2_grpc import IntrospectionServiceStub

FOLDER = Path(__file__).parent / "phoenix"
PATIENCE = 50.0
PORTS = {"http": {"port": 0}, "admin": {"port": 0}, "websocket": {"port": 0}, "grpc": {"port": 0}}
EDGE = {"workers": 2, "drain": {"grace": "1s"}, **PORTS}

needs_node = pytest.mark.skipif(
    shutil.which("node") is None or not (FOLDER / "node_modules").exists(),
    reason="node and npm are needed, and `make node`",
)
pytestmark = needs_node


def list_scenarios(file: str) -> list[str]:
    """The scenarios that stand in a file: its first level of members."""
    text = (FOLDER / file).read_text()
    return re.findall(r"^  (?:async )?(\w+)(?:\(\)\{|: \(\) =>)", text, re.MULTILINE)


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


async def play(file: str, scenario: str, port: int, do: Callable[[str], None] | None = None) -> None:
    """Runs a scenario of a file, and does what it asks for."""
    line = ["node", str(FOLDER / file), f"ws://127.0.0.1:{port}/socket", ACME, scenario]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*line, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.STDOUT)
    assert process.stdout is not None and process.stdin is not None
    said: list[str] = []
    try:
        async with asyncio.timeout(PATIENCE):
            async for raw in process.stdout:
                said.append(raw.decode().rstrip())
                if said[-1].startswith("cue ") and do is not None:
                    await asyncio.to_thread(do, said[-1].removeprefix("cue "))
                    process.stdin.write(b"done\n")
            code = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        process.stdin.close()
    assert (code, said[-1:]) == (0, [f"passed {scenario}"]), "\n".join(said)


@pytest.mark.parametrize("scenario", list_scenarios("channels.mjs"))
async def test_a_page_uses_channels(mesh: Mesh, scenario: str) -> None:
    async with FakeProvider(port=mesh.fake_port):
        await play("channels.mjs", scenario, mesh.about["websocket"]["port"])


@pytest.mark.parametrize("scenario", list_scenarios("restarts.mjs"))
async def test_a_page_lives_through_restarts(mesh: Mesh, scenario: str) -> None:
    """The client's own back-off brings it back, and what it had asked goes on."""
    async with FakeProvider(port=mesh.fake_port) as fake, CuttingProxy(mesh.about["http"]["port"]) as proxy:
        loop = asyncio.get_running_loop()

        def do(cue: str) -> None:
            match cue:
                case "cut":
                    loop.call_soon_threadsafe(proxy.cut)
                case "kill" | "drain":
                    for process in edge_processes(mesh):
                        os.kill(process, signal.SIGKILL if cue == "kill" else signal.SIGTERM)
                case _:
                    raise AssertionError(cue)

        await play("restarts.mjs", scenario, proxy.port, do)
        assert fake.requests == 1, "asked once"


@pytest.mark.parametrize("scenario", list_scenarios("rooms.mjs"))
async def test_pages_share_a_room(mesh: Mesh, scenario: str) -> None:
    async with FakeProvider(port=mesh.fake_port):

        def kill(_cue: str) -> None:
            for process in edge_processes(mesh):
                os.kill(process, signal.SIGKILL)

        await play("rooms.mjs", scenario, mesh.about["http"]["port"], kill)
