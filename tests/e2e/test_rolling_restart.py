"""Fault table, row 1: each service is restarted under load, as a Deployment does it, and nobody notices.

`RUNESTONE_ROLLING=3` restarts everything three times over, one replica after the other, instead of once with all of a service at a time;
`RUNESTONE_ROLLING_LOAD=3` does it under three times the load.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import aiohttp
import grpc.aio
import pytest
from pod_load import Counts, load
from pods import KEY, Cluster, Pod, cluster

from runestone.audit.v1.audit_pb2 import SearchRequest
from runestone.audit.v1.audit_pb2_grpc import AuditServiceStub

ROUNDS = int(os.environ.get("RUNESTONE_ROLLING", "0"))
LOAD = float(os.environ.get("RUNESTONE_ROLLING_LOAD", "1"))  # times the usual
REPLICAS = {"cache": 2, "ratelimit": 2, "provider": 2, "audit": 1, "edge": 2}
CHECK = 0.1  # seconds between two looks of the balancer
pytestmark = pytest.mark.timeout(400 + 400 * ROUNDS)  # a minute where nothing else runs


class Balancer:
    """Gives the edges in turn, those that were ready when it last looked: what a proxy with health checks does. It looks at each by itself:
    one that starts, and does not answer yet, keeps nobody waiting for word of another that stops."""

    def __init__(self, pods: Cluster, session: aiohttp.ClientSession) -> None:
        self._cluster = pods
        self._session = session
        self._ready: list[Pod] = []
        self._looks: dict[int, asyncio.Task[None]] = {}
        self._turn = 0

    def __call__(self) -> str:
        self._turn += 1
        return self._ready[self._turn % len(self._ready)].url

    async def look(self) -> None:
        """Looks at all edges once."""
        await asyncio.gather(*map(self._look_at, self._cluster.of("edge")))

    async def keep_looking(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                for edge in {*self._cluster.of("edge"), *self._ready}:
                    pid = edge.process.pid
                    if pid not in self._looks or self._looks[pid].done():
                        self._looks[pid] = group.create_task(self._look_at(edge))
                await asyncio.sleep(CHECK)

    async def _look_at(self, edge: Pod) -> None:
        is_ready, is_known = await self._is_ready(edge), edge in self._ready
        if is_ready and not is_known:
            self._ready = [*self._ready, edge]
        elif not is_ready and is_known and len(self._ready) > 1:
            self._ready = [one for one in self._ready if one is not edge]

    async def _is_ready(self, edge: Pod) -> bool:
        try:
            async with self._session.get(edge.readiness) as answer:
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False


@asynccontextmanager
async def balanced(pods: Cluster) -> AsyncIterator[Balancer]:
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=1), connector=connector) as session:
        balancer = Balancer(pods, session)
        await balancer.look()
        looking = asyncio.create_task(balancer.keep_looking())
        try:
            yield balancer
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)


@pytest.fixture
async def pods() -> AsyncIterator[Cluster]:
    async with cluster(REPLICAS, delay=f"{0.5 * LOAD:g}s") as running:  # the busier, the later all have looked
        yield running


async def replace(pods: Cluster, old: Iterable[Pod]) -> None:
    """New pods first, as many as are replaced; the old ones go when those are ready."""
    gone = list(old)
    await pods.wait_until_ready(*[pods.start(pod.service) for pod in gone])
    assert await asyncio.gather(*(pods.stop(pod) for pod in gone)) == [0] * len(gone)


async def restart_in_place(pods: Cluster, pod: Pod) -> None:
    """The old one first: nobody but it may have what it has."""
    assert await pods.stop(pod) == 0
    await pods.wait_until_ready(pods.start(pod.service, pod.place))


async def restart_all(pods: Cluster) -> None:
    """Every service in turn, all of its replicas at a time."""
    for service in ("provider", "cache", "ratelimit", "edge"):
        await replace(pods, pods.of(service))
    await restart_in_place(pods, pods.of("audit")[0])


async def restart_one_by_one(pods: Cluster) -> None:
    for service in ("provider", "cache", "ratelimit", "edge"):
        for pod in pods.of(service):
            await replace(pods, [pod])
    await restart_in_place(pods, pods.of("audit")[0])


async def recorded(pods: Cluster) -> set[str]:
    """The ids of all calls that audit-svc has a record of."""
    (audit,) = pods.of("audit")
    found, token = set(), ""
    async with grpc.aio.insecure_channel(f"{audit.ip}:{pods.ports.services['audit']}") as channel:
        while True:
            request = SearchRequest(page_size=1000, page_token=token)
            answer = await AuditServiceStub(channel).Search(request, timeout=10)
            found.update(record.request_id for record in answer.records)
            token = answer.next_page_token
            if not token:
                return found


async def test_a_rolling_restart_of_every_service_fails_nothing(pods: Cluster) -> None:
    """No call fails and no stream is cut; every WebSocket client is back; every call is on record once the edges are gone."""
    async with balanced(pods) as balancer:
        async with load(balancer, KEY, factor=LOAD) as counts:
            await asyncio.sleep(2)  # so that something runs
            for _ in range(ROUNDS):
                await restart_one_by_one(pods)
            if not ROUNDS:
                await restart_all(pods)
        print(f"\nrolling restart: {counts}")  # noqa: T201  what `pytest -s` is asked for
        assert_nothing_failed(counts)
        assert counts.reconnects, "edges went away"
    for edge in pods.of("edge"):
        assert await pods.stop(edge) == 0
    asked = set().union(*counts.asked.values())
    assert asked - await recorded(pods) == set()


def assert_nothing_failed(counts: Counts) -> None:
    assert not counts.failed, "\n".join(map(str, counts.failed[:20]))
    assert min(counts.answered[kind] for kind in ("whole", "late", "sse", "websocket")) > 0
