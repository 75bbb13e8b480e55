"""Two replicas of the service on one store, Redis or Redis Cluster: what one of them is told, the other knows."""

import asyncio

import pytest

from cache_svc.service import SERVICE
from chassis.client import closing
from chassis.config import Settings
from chassis.config.schema import Cache
from chassis.config.units import StoreUrl
from chassis.errors import RunestoneError
from chassis.testing import cluster_url, running
from runestone.cache.v1 import cache_pb2 as messages
from runestone.cache.v1.cache_pb2_grpc import CacheServiceStub
from runestone.state.v1.state_pb2 import RememberNonceRequest
from runestone.state.v1.state_pb2_grpc import StateServiceStub

PATIENT = 9.0  # seconds; more than any answer takes on a busy machine
ONE, OTHER = b"\x01" * 32, b"\xfe" * 32


@pytest.fixture(params=["redis", "cluster"])
def address(request):
    """Of an empty store."""
    if request.param == "redis":
        return request.getfixturevalue("redis_url")
    request.getfixturevalue("cluster")
    return cluster_url(request.getfixturevalue("masters"))


@pytest.fixture
async def replicas(address, monkeypatch):
    monkeypatch.setattr("chassis.redis.DEADLINE", PATIENT)
    settings = Settings(cache=Cache(store=StoreUrl(address)))
    async with running(SERVICE, settings) as (_, one), running(SERVICE, settings) as (_, other):
        yield one, other


def to_store(fingerprint, **members):
    answer = messages.Answer(body=b"body", labels=messages.Labels(tenant="acme"))
    return messages.StoreRequest(fingerprint=fingerprint, answer=answer, **members)


async def watch_until(stub, is_enough, after=None):
    """As an edge does: again from where it was when it is told that nobody knows."""
    async with asyncio.timeout(PATIENT):
        while True:
            try:
                async with closing(stub.Watch(messages.WatchRequest(after=after))) as letters:
                    async for letter in letters:
                        after = letter.mark
                        if is_enough(letter):
                            return letter
            except RunestoneError:
                await asyncio.sleep(0.05)


async def test_what_one_purges_the_other_has_forgotten_and_tells(replicas):
    one, other = map(CacheServiceStub, replicas)
    start = await watch_until(other, lambda _: True)
    telling = asyncio.create_task(watch_until(other, lambda letter: letter.dropped, start.mark))
    await one.Store(to_store(ONE))
    assert (await other.LookUp(messages.LookUpRequest(fingerprint=ONE, tenant="acme"))).hit.body == b"body"
    selection = messages.Selection(tenant="acme")
    assert (await one.Purge(messages.PurgeRequest(selection=selection))).purged == 1
    letter = await telling
    assert list(letter.dropped) == [selection]
    assert letter.mark == messages.Mark(epoch=start.mark.epoch, version=start.mark.version + 1)
    response = await other.LookUp(messages.LookUpRequest(fingerprint=ONE, tenant="acme"))
    assert (response.WhichOneof("outcome"), response.mark) == ("miss", letter.mark)


async def test_a_replaced_answer_is_told_by_both(replicas):
    one, other = map(CacheServiceStub, replicas)
    await watch_until(other, lambda _: True)
    await watch_until(one, lambda _: True)
    stored = await one.Store(to_store(OTHER, replaces=True))
    for stub in (one, other):
        letter = await watch_until(stub, lambda letter: letter.mark == stored.mark)
        assert letter.mark == stored.mark


async def test_statistics_are_those_of_all_servers(replicas):
    one, other = map(CacheServiceStub, replicas)
    await watch_until(one, lambda _: True)
    for number in range(30):
        await one.Store(to_store(bytes([number]) * 32))
    statistics = await other.GetStatistics(messages.GetStatisticsRequest())
    keys_of_the_log = 1
    assert (statistics.store, statistics.entries) == ("redis", 30 + keys_of_the_log)


async def test_shared_state_is_shared(replicas):
    one, other = map(StateServiceStub, replicas)
    request = RememberNonceRequest(scope="s", nonce="n")
    request.ttl.FromSeconds(60)
    shown = [(await stub.RememberNonce(request)).is_first for stub in (one, other)]
    assert shown == [True, False]
