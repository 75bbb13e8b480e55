"""Fault table, row 1, through a real Envoy: its replicas stop, start, come and go under load, and nobody in front of it notices.

`RUNESTONE_ROLLING=3` restarts every replica of every service three times over, `RUNESTONE_ROLLING_LOAD=3` under three times the load.
"""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from envoy_mesh import EnvoyMesh, envoy_mesh_running
from pod_load import PACED, QUICK, WORDS, Counts, load
from pods import measure_at
from real_mesh import ACME

import runestone_client
import runestone_client.grpc

ROUNDS = int(os.environ.get("RUNESTONE_ROLLING", "0"))
LOAD = float(os.environ.get("RUNESTONE_ROLLING_LOAD", "1"))  # times the usual
pytestmark = pytest.mark.timeout(400 + 600 * ROUNDS)  # half a minute each where nothing else runs
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


@asynccontextmanager
async def asking_the_door(mesh: EnvoyMesh) -> AsyncIterator[Counts]:
    """Callers of the gRPC door while the context is open: each reads a stream, then asks for a whole answer, on and on."""
    counts, is_over = Counts(), asyncio.Event()

    async def keep_asking(client: runestone_client.grpc.GatewayClient) -> None:
        while not is_over.is_set():
            try:
                async with asyncio.timeout(30):
                    async with await client.stream(question(PACED)) as call:
                        words = "".join([chunk.text async for chunk in call]).split()
                    await client.ask(question(QUICK))
            except (runestone_client.RunestoneError, TimeoutError) as error:
                counts.fail("door", repr(error))
                continue
            if len(words) == WORDS:
                counts.answered["door"] += 1
            else:
                counts.fail("door", f"{len(words)} words")

    async with runestone_client.grpc.connect(mesh.grpc_target, ACME) as client, asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(keep_asking(client))
        try:
            yield counts
        finally:
            is_over.set()


def question(wish: str) -> dict[str, object]:
    return {"model": f"sim/{wish}", "messages": [{"role": "user", "content": secrets.token_hex(8)}]}


async def test_restarts_of_every_service_fail_nothing(mesh: EnvoyMesh) -> None:
    """A replica is stopped, of the edges each, and its successor started at the same address, while the other serves."""
    async with loaded(mesh) as counts, asking_the_door(mesh) as door:
        await asyncio.sleep(2)  # so that something runs
        for service in SERVICES * ROUNDS:
            await asyncio.to_thread(mesh.restart, service)
        if not ROUNDS:  # in a minute: one of each service side by side, then each edge
            await asyncio.gather(*(asyncio.to_thread(mesh.restart, f"{name}-0") for name in SERVICES[:-1]))
            await asyncio.to_thread(mesh.restart, "edge")
    check("restarts behind Envoy", counts)
    assert not door.failed, "\n".join(map(str, door.failed[:20]))
    assert door.answered["door"] > 0
    assert counts.reconnects, "edges went away"


async def test_replicas_come_and_get_their_share_and_go_and_take_nothing_along(mesh: EnvoyMesh) -> None:
    async with loaded(mesh) as counts:
        await asyncio.gather(*(asyncio.to_thread(mesh.scale, service, 3) for service in ("provider", "edge")))
        port = mesh.parts()["provider-2"]["ports"]["listen"]

        async def has_a_share() -> bool:
            return await measure_at(f"127.0.0.1:{port}", "runestone_rpc_server_seconds_count", CALL) > 5

        async with asyncio.timeout(PATIENCE):
            while not await has_a_share():
                await asyncio.sleep(0.1)
        await asyncio.gather(*(asyncio.to_thread(mesh.scale, service, 2) for service in ("edge", "provider")))
    check("scaling behind Envoy", counts)
