"""An edge is killed under load behind a real Envoy: what its clients see."""

import asyncio
from collections.abc import Iterator

import pytest
from envoy_mesh import EnvoyMesh, envoy_mesh_running
from pod_load import load
from real_mesh import ACME

pytestmark = pytest.mark.timeout(300)
BROKEN = (
    "ClientPayloadError",
    "ClientOSError",
    "ServerDisconnectedError",
)  # no client takes what came so far for all of it
LOST = "connection_lost"


@pytest.fixture(scope="module")
def mesh() -> Iterator[EnvoyMesh]:
    with envoy_mesh_running() as running:
        yield running


async def test_calls_of_an_edge_that_is_killed_fail_visibly_and_come_back_to_its_successor(mesh: EnvoyMesh) -> None:
    """What was not answered gets a typed error; a stream is cut so that it cannot look whole. WebSocket clients read on."""
    async with load(lambda: mesh.plain_url, ACME) as counts:
        await asyncio.sleep(2)  # so that something runs
        pid = await asyncio.to_thread(mesh.kill, "edge-0")
        async with asyncio.timeout(60):
            while (part := (await asyncio.to_thread(mesh.parts))["edge-0"])["pid"] == pid or not part["ready"]:
                await asyncio.sleep(0.1)
    assert counts.failed, "something ran on it"
    seen = {
        (kind, "broken" if why.startswith(BROKEN) else LOST if LOST in why else why) for _, kind, why in counts.failed
    }
    assert seen <= {("whole", LOST), ("late", LOST), ("sse", "broken"), ("sse", LOST)}
    assert min(counts.answered[kind] for kind in ("whole", "late", "sse", "websocket")) > 0
