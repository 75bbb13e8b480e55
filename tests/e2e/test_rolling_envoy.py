"""Fault table, row 1, through a real Envoy: its replicas stop, start, come and go under load, and nobody in front of it notices.

`RUNESTONE_ROLLING=3` restarts every replica of every service three times over, `RUNESTONE_ROLLING_LOAD=3` under three times the load.
"""

import asyncio
import os
from collections.abc import Iterator

import pytest
from envoy_mesh import EnvoyMesh, envoy_mesh_running
from pod_load import Counts, load
from pods import measure_at
from real_mesh import ACME

ROUNDS = int(os.environ.get("RUNESTONE_ROLLING", "0"))
LOAD = float(os.environ.get("RUNESTONE_ROLLING_LOAD", "1"))  # times the usual
pytestmark = pytest.mark.timeout(400 + 600 * ROUNDS)  # a minute where nothing else runs
PATIENCE = 60.0
SERVICES = ("provider", "cache", "ratelimit", "audit", "edge")
CALL = "/runestone.provider.v1.ProviderService/Call"


@pytest.fixture(scope="module")
def mesh() -> Iterator[EnvoyMesh]:
    with envoy_mesh_running(edge={"drain": {"grace": "30s"}}) as running:
        yield running


def loaded(mesh: EnvoyMesh):
    return load(lambda: mesh.plain_url, ACME, factor=LOAD)


def check(what: str, counts: Counts) -> None:
    print(f"\n{what}: {counts}")  # noqa: T201  what `pytest -s` is asked for
    assert not counts.failed, "\n".join(map(str, counts.failed[:20]))
    assert min(counts.answered[kind] for kind in ("whole", "late", "sse", "websocket")) > 0


async def test_restarts_of_every_service_fail_nothing(mesh: EnvoyMesh) -> None:
    """A replica is stopped, of the edges each, and its successor started at the same address, while the other serves."""
    async with loaded(mesh) as counts:
        await asyncio.sleep(2)  # so that something runs
        for service in SERVICES * ROUNDS or (*(f"{name}-0" for name in SERVICES[:-1]), "edge"):
            await asyncio.to_thread(mesh.restart, service)
    check("restarts behind Envoy", counts)
    assert counts.reconnects, "edges went away"


async def test_replicas_come_and_get_their_share_and_go_and_take_nothing_along(mesh: EnvoyMesh) -> None:
    async with loaded(mesh) as counts:
        for service in ("provider", "edge"):
            await asyncio.to_thread(mesh.scale, service, 3)
        port = mesh.parts()["provider-2"]["ports"]["listen"]

        async def has_a_share() -> bool:
            return await measure_at(f"127.0.0.1:{port}", "runestone_rpc_server_seconds_count", CALL) > 5

        async with asyncio.timeout(PATIENCE):
            while not await has_a_share():
                await asyncio.sleep(0.1)
        for service in ("edge", "provider"):
            await asyncio.to_thread(mesh.scale, service, 2)
    check("scaling behind Envoy", counts)
