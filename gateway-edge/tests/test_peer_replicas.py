"""An edge that finds more of a service than can be right says so, and does not start to serve."""

import asyncio
import socket

import pytest

from chassis.config import Settings, parse_settings
from chassis.health import Facts
from chassis.logs import get_logger
from chassis.metrics import Metrics
from chassis.runtime import Place, start_service
from chassis.snapshots import Snapshot, SnapshotFeed
from chassis.testing import short_directory
from gateway_edge import peer_replicas
from gateway_edge.peer_replicas import PeerReplicas, count_replicas
from gateway_edge.service import SERVICE

REDIS = parse_settings("ratelimit: {store: 'redis://127.0.0.1/0'}")


class Stage:
    """Replicas of ratelimit-svc as they come and go, and what an edge makes of them."""

    def __init__(self, settings=None):
        self.facts, self.metrics = Facts(), Metrics()
        self.replicas = PeerReplicas(self.facts, get_logger("edge"), self.metrics, lambda: settings or Settings())
        self.changes, self.tasks = asyncio.Queue(), []

    async def __aenter__(self):
        self.replicas.follow("ratelimit", self._tell(), lambda work, _: self.tasks.append(asyncio.ensure_future(work)))
        return self

    async def __aexit__(self, *_):
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def _tell(self):
        while True:
            yield [f"10.0.0.{number}:1" for number in range(await self.changes.get())]

    async def find(self, count):
        self.changes.put_nowait(count)
        async with asyncio.timeout(10):
            while self.replicas.count("ratelimit") != count:
                await asyncio.sleep(0)
        [fact] = self.facts
        return fact.holds

    @property
    def detail(self):
        [fact] = self.facts
        return fact.detail


async def test_an_edge_is_not_ready_before_it_knows_how_many_there_are():
    async with Stage() as stage:
        await asyncio.sleep(0)
        assert not stage.facts.is_ready
        assert await stage.find(1)


async def test_an_edge_that_starts_and_finds_too_many_is_not_ready_and_says_why():
    async with Stage() as stage:
        assert not await stage.find(3)
        assert stage.detail == (
            "there are 3: several replicas cannot share the store 'memory'; "
            "set ratelimit.store to a Redis (redis://...)"
        )
        assert not await stage.find(2)
        assert await stage.find(1)


async def test_an_edge_that_serves_goes_on_and_logs_it(capsys):
    """One replica that takes the place of another makes two for a moment; the gateway does not stop for that."""
    async with Stage() as stage:
        assert await stage.find(1)
        assert await stage.find(2)
        assert "replicas share nothing" in "".join(capsys.readouterr())
        assert 'runestone_edge_peer_replicas{peer="ratelimit"} 2.0' in stage.metrics.exposition().decode()
        assert await stage.find(1)


async def test_several_that_share_a_store_are_right(capsys):
    async with Stage(REDIS) as stage:
        assert await stage.find(4)
        assert "share nothing" not in capsys.readouterr().out


async def test_an_edge_starts_without_its_peers(monkeypatch):
    monkeypatch.setattr(peer_replicas, "PATIENCE", 0)
    async with Stage() as stage:
        async with asyncio.timeout(10):
            while not stage.facts.is_ready:
                await asyncio.sleep(0)
        assert await stage.find(2)  # it serves by then


async def test_the_whole_edge_is_not_ready_behind_a_name_that_stands_for_too_many(monkeypatch):
    async def resolve(_addresses):
        return {"127.0.0.1:1", "127.0.0.2:1", "127.0.0.3:1"}

    monkeypatch.setattr("chassis.replicas.resolve", resolve)
    with socket.create_server(("127.0.0.1", 0)) as door, short_directory() as directory:
        peers = {name: f"unix:{directory}/{name}.sock" for name in ("cache", "provider", "audit")}
        place = Place(
            listen=f"unix:{directory}/s.sock",
            data_dir=directory,
            peers=peers | {"ratelimit": "limits.mesh:1"},
            sockets={"http": door.dup().detach()},
        )
        edge = await start_service(SERVICE, place, SnapshotFeed(Snapshot("v1", Settings())))
        try:
            async with asyncio.timeout(20):
                while (facts := {fact.name: fact for fact in edge.facts})[
                    "audit replicas"
                ].detail == "not counted yet" or (facts["ratelimit replicas"].detail == "not counted yet"):
                    await asyncio.sleep(0.01)
            assert not edge.facts.is_ready
            assert [name for name, fact in facts.items() if not fact.holds] == ["ratelimit replicas"]
            assert "there are 3: several replicas cannot share the store 'memory'" in facts["ratelimit replicas"].detail
        finally:
            await edge.stop(0)


@pytest.mark.parametrize("service", peer_replicas.SERVICES)
def test_every_service_that_is_followed_is_one_of_the_mesh(service):
    assert hasattr(Settings().mesh, service)


@pytest.mark.parametrize(
    ("addresses", "count"),
    [
        ([], 0),
        (["unix:/a.sock"], 1),
        (["127.0.0.1:50052", "[::1]:50052"], 1),
        (["10.0.0.1:1", "10.0.0.2:1", "[fd00::1]:1", "[fd00::2]:1"], 2),
        (["10.0.0.1:1", "[fd00::1]:1", "[fd00::2]:1"], 2),
    ],
)
def test_one_that_has_an_address_of_each_kind_is_one(addresses, count):
    """`localhost`, or a pod of a cluster with both."""
    assert count_replicas(addresses) == count
