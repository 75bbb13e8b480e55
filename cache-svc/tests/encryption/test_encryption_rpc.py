"""An encrypted cache over a real socket."""

import base64

import pytest

from cache_svc.service import SERVICE
from chassis.config import Settings
from chassis.config.schema import Cache, Encryption
from chassis.config.units import Secret, StoreUrl
from chassis.redis import RedisPool
from chassis.testing import running
from runestone.cache.v1 import cache_pb2 as messages
from runestone.cache.v1.cache_pb2_grpc import CacheServiceStub

ONE = b"\x01" * 32
MASTER = Secret(base64.b64encode(bytes(range(32))).decode())
ENCRYPTION = Encryption(master_key=MASTER, tenants=("acme", "near"), near_tenants=("near",))


@pytest.fixture(params=["memory", "redis"])
def settings(request):
    store = "memory" if request.param == "memory" else request.getfixturevalue("redis_url")
    return Settings(cache=Cache(store=StoreUrl(store), encryption=ENCRYPTION))


@pytest.fixture
async def service(settings):
    async with running(SERVICE, settings) as (runtime, channel):
        yield runtime, CacheServiceStub(channel)


@pytest.fixture
def stub(service):
    return service[1]


def store(stub, tenant, **members):
    labels = messages.Labels(tenant=tenant, model="m", tags=["red"])
    answer = messages.Answer(body=b"canary-body", labels=labels)
    return stub.Store(messages.StoreRequest(fingerprint=ONE, answer=answer, **members))


def look_up(stub, tenant):
    return stub.LookUp(messages.LookUpRequest(fingerprint=ONE, tenant=tenant))


@pytest.mark.parametrize(("tenant", "may_copy"), [("acme", False), ("near", True), ("plain", True), ("", True)])
async def test_an_answer_comes_back_and_says_who_may_copy_it(stub, tenant, may_copy):
    stored = await store(stub, tenant)
    found = await look_up(stub, tenant)
    assert found.hit.body == b"canary-body"
    assert found.hit.labels.tenant == tenant
    assert (stored.may_copy, found.may_copy) == (may_copy, may_copy)


async def test_statistics_say_that_answers_are_encrypted(stub):
    assert (await stub.GetStatistics(messages.GetStatisticsRequest())).encrypted


async def test_what_is_shredded_is_gone_with_its_key(service):
    runtime, stub = service
    await store(stub, "acme")
    shredded = await stub.Shred(messages.ShredRequest(tenant="acme"))
    assert (shredded.purged, shredded.key_destroyed) == (1, True)
    assert (await look_up(stub, "acme")).HasField("miss")
    again = await stub.Shred(messages.ShredRequest(tenant="acme"))
    assert (again.purged, again.key_destroyed) == (0, False)
    await store(stub, "acme")
    assert (await look_up(stub, "acme")).HasField("hit")
    assert 'runestone_cache_unsealed_total{outcome="opened"} 1.0' in runtime.metrics.exposition().decode()


@pytest.mark.parametrize(
    "selection",
    [
        {"tenant": "acme"},
        {"model": "m"},
        {"tag": "red"},
        {"key_prefix": ONE},
        {"key_prefix": b"\x01"},
        {"everything": True},
    ],
    ids=str,
)
async def test_what_is_encrypted_can_be_purged_by_all_that_it_is_found_by(stub, selection):
    await store(stub, "acme")
    purged = await stub.Purge(messages.PurgeRequest(selection=messages.Selection(**selection)))
    assert purged.purged == 1
    assert (await look_up(stub, "acme")).HasField("miss")


@pytest.mark.parametrize("settings", ["redis"], indirect=True)
async def test_two_replicas_on_one_redis_read_and_shred_each_others_answers(stub, settings):
    async with running(SERVICE, settings) as (_, channel):
        other = CacheServiceStub(channel)
        await store(stub, "acme")
        assert (await look_up(other, "acme")).hit.body == b"canary-body"
        assert (await other.Shred(messages.ShredRequest(tenant="acme"))).key_destroyed
        assert (await look_up(stub, "acme")).HasField("miss")
        await store(other, "acme")
        assert (await look_up(stub, "acme")).hit.body == b"canary-body"


@pytest.mark.parametrize("settings", ["redis"], indirect=True)
async def test_replacing_and_purging_write_nothing_readable_to_redis(stub, redis_url):
    """The log of changes names what was replaced and purged."""
    await store(stub, "acme", replaces=True)
    await stub.Purge(messages.PurgeRequest(selection=messages.Selection(tenant="canary-tenant", model="canary-model")))
    await store(stub, "acme", replaces=True)
    async with RedisPool(redis_url, deadline=20.0) as pool:
        keys = await pool.ask("KEYS", "*")
        written = b"\n".join([*keys, *[await pool.ask("DUMP", key) for key in keys]])
    assert len(keys) >= 3
    for canary in (b"canary", b"acme", b"red", ONE, ONE.hex().encode()):
        assert canary not in written
