"""`runestone serve` as a pod: how it follows its file, and how it stops."""

import asyncio
import secrets
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from copy import deepcopy
from typing import Any

import aiohttp
import pytest
from pods import KEY, Cluster, Pod, cluster

pytestmark = pytest.mark.timeout(300)  # a few seconds where nothing else runs
AUTH = {"authorization": f"Bearer {KEY}"}
PATIENCE = 60.0
WITHOUT_STORE = {"provider": 1, "edge": 1}
CALL = "/runestone.provider.v1.ProviderService/Call"


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(headers=AUTH, timeout=aiohttp.ClientTimeout(total=PATIENCE)) as session:
        yield session


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await holds():
            await asyncio.sleep(0.02)


async def ask(session: aiohttp.ClientSession, edge: Pod, model: str) -> tuple[int, dict[str, Any]]:
    """The status and the document."""
    body = {"model": model, "messages": [{"role": "user", "content": secrets.token_hex(8)}]}
    headers = {"cache-control": "no-store, no-cache"}
    async with session.post(f"{edge.url}/v1/chat/completions", json=body, headers=headers) as answer:
        return answer.status, await answer.json()


async def test_an_edge_is_not_ready_at_once_and_serves_on_until_balancers_noticed(
    session: aiohttp.ClientSession,
) -> None:
    """Clients that keep connections are told to ask elsewhere; new ones are served as before."""
    async with cluster({"edge": 1}, delay="3s", grace="5s") as pods:
        (edge,) = pods.of("edge")
        async with session.get(f"{edge.url}/v1/models") as answer:
            assert (answer.status, answer.headers.get("connection")) == (200, None)
        edge.process.send_signal(signal.SIGTERM)

        async def is_refused() -> bool:
            return await asyncio.to_thread(edge.read_readiness) == 503

        await until(is_refused)
        for _ in range(2):  # on the connection that was kept, and on a new one
            async with session.get(f"{edge.url}/v1/models") as answer:
                assert (answer.status, answer.headers.get("connection")) == (200, "close")
        assert await asyncio.to_thread(edge.process.wait, PATIENCE) == 0


async def test_a_call_that_runs_is_answered_while_every_part_of_its_way_stops(session: aiohttp.ClientSession) -> None:
    """Each has the grace that the configuration gives."""
    async with cluster({"cache": 1, "ratelimit": 1, "audit": 1, **WITHOUT_STORE}) as pods:
        (edge,), (provider,) = pods.of("edge"), pods.of("provider")
        running = asyncio.create_task(ask(session, edge, "sim/latency=3s"))

        async def is_running() -> bool:
            return await provider.measure("runestone_upstream_running") == 1

        await until(is_running)
        codes = await asyncio.gather(*(pods.stop(pod) for pod in list(pods.pods)))
        assert (await running)[0] == 200
        assert set(codes) == {0}


async def test_an_edge_that_stops_waits_for_audit_svc_to_take_its_records(session: aiohttp.ClientSession) -> None:
    """Its disk goes with it. audit-svc is away just then, and comes back within the time that it has."""
    async with cluster({"audit": 1, **WITHOUT_STORE}, ship="60s") as pods:
        (edge,), (audit,) = pods.of("edge"), pods.of("audit")
        assert await pods.stop(audit) == 0
        assert (await ask(session, edge, "sim/words=3"))[0] == 200
        stopping = asyncio.create_task(pods.stop(edge))
        successor = pods.start("audit")
        await pods.wait_until_ready(successor)
        assert await stopping == 0
        assert await successor.measure("runestone_audit_appended_total") == 1


@pytest.fixture
async def rolling() -> AsyncIterator[Cluster]:
    async with cluster({"provider": 2, "edge": 1}) as pods:
        yield pods


async def test_a_model_that_is_added_is_never_said_not_to_exist(
    rolling: Cluster, session: aiohttp.ClientSession
) -> None:
    """Every pod reads the changed file at its own time. Whoever asks through an edge that knows the model is told to come back while no
    replica does, and is answered as soon as one does; all other calls do not notice."""
    (edge,), (early, late) = rolling.of("edge"), rolling.of("provider")
    changed = deepcopy(dict(rolling.configuration))
    changed["models"].append({"name": "new", "targets": [{"provider": "sim", "model": "words=3"}]})
    assert (await ask(session, edge, "new"))[0] == 404
    await edge.follow(changed)
    status, document = await ask(session, edge, "new")
    assert (status, document["error"]["code"]) == (503, "unavailable"), document
    assert [(await ask(session, edge, "first"))[0] for _ in range(10)] == [200] * 10
    await early.follow(changed)
    for model in ("new", "first"):
        assert [(await ask(session, edge, model))[0] for _ in range(10)] == [200] * 10
    await late.follow(changed)
    asked = await late.served(CALL)
    assert [(await ask(session, edge, "new"))[0] for _ in range(20)] == [200] * 20
    assert await late.served(CALL) > asked


async def test_a_model_that_is_taken_away_is_served_as_long_as_an_edge_offers_it(
    rolling: Cluster, session: aiohttp.ClientSession
) -> None:
    (edge,), changed = rolling.of("edge"), deepcopy(dict(rolling.configuration))
    changed["models"] = [model for model in changed["models"] if model["name"] != "first"]
    for provider in rolling.of("provider"):
        await provider.follow(changed)
        assert [(await ask(session, edge, "first"))[0] for _ in range(10)] == [200] * 10
    await edge.follow(changed)
    assert (await ask(session, edge, "first"))[0] == 404
