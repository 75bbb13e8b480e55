"""Realtime sessions behind a real Envoy while edges are restarted: each is closed so that its client comes back, and finds another edge."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
import websockets
from envoy_mesh import EnvoyMesh, envoy_mesh_running
from fake_realtime import FakeRealtime
from real_mesh import ACME
from websockets.asyncio.client import connect

from chassis.testing import free_port

pytestmark = pytest.mark.timeout(240)
SESSIONS, PATIENCE = 6, 20.0
COME_BACK = {1001, 1012}  # going away, service restart: RFC 6455, section 7.4.1, and IANA's registry


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def mesh(port: int) -> Iterator[EnvoyMesh]:
    base_url = f"http://127.0.0.1:{port}/v1"
    provider = {"name": "rt", "kind": "openai_compatible", "base_url": base_url, "api_key": "upstream-secret"}
    with envoy_mesh_running(edge={"drain": {"grace": "5s"}}, providers=[provider], models=[]) as running:
        yield running


async def test_sessions_of_an_edge_that_is_restarted_are_told_to_come_back_and_can(mesh: EnvoyMesh, port: int) -> None:
    codes: list[int] = []
    refused: list[str] = []
    over = asyncio.Event()

    async def talk() -> None:
        """One session after another, on which something is said from time to time."""
        url = mesh.plain_url.replace("http", "ws", 1) + "/v1/realtime?model=rt/echo"
        while not over.is_set():
            try:
                async with connect(url, additional_headers={"authorization": f"Bearer {ACME}"}) as session:
                    await chat(session)
            except websockets.ConnectionClosed as closed:
                codes.append(closed.rcvd.code if closed.rcvd else 1006)
            except (websockets.InvalidStatus, OSError) as error:
                refused.append(repr(error))

    async def chat(session: Any) -> None:
        await asyncio.wait_for(session.recv(), PATIENCE)
        while not over.is_set():
            await session.send(json.dumps({"type": "x"}))
            await asyncio.wait_for(session.recv(), PATIENCE)
            await asyncio.sleep(0.05)

    async with FakeRealtime(port), asyncio.TaskGroup() as group:
        for _ in range(SESSIONS):
            group.create_task(talk())
        await asyncio.to_thread(mesh.restart, "edge")
        over.set()
    assert refused == []
    assert len(codes) >= SESSIONS
    assert set(codes) <= COME_BACK
