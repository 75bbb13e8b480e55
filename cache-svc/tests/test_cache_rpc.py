"""CacheService over a real socket."""

import time

import pytest
from google.protobuf.duration_pb2 import Duration

from cache_svc.service import SERVICE
from chassis.config import Duration as Seconds
from chassis.config import Settings, Size
from chassis.config.schema import Cache
from chassis.errors import Reason, RunestoneError
from chassis.testing import free_port, running
from runestone.cache.v1.cache_pb2 import Answer, GetStatisticsRequest, LookUpRequest, StoreRequest
from runestone.cache.v1.cache_pb2_grpc import CacheServiceStub
from runestone.common.v1.usage_pb2 import Usage

ONE, OTHER = b"\x01" * 32, b"\xfe" * 32
PATIENT = 9.0  # seconds; more than any answer takes on a busy machine
ANSWER = Answer(
    body=b'data: {"id": 1}\n\ndata: [DONE]\n\n',
    content_type="text/event-stream",
    provider="sim",
    model="simulated",
    usage=Usage(input_tokens=3, output_tokens=0),
    finish_reason="stop",
)


@pytest.fixture(params=["memory", "redis"])
def store(request):
    return "memory" if request.param == "memory" else request.getfixturevalue("redis_url")


@pytest.fixture
async def service(store, monkeypatch):
    monkeypatch.setattr("chassis.redis.DEADLINE", PATIENT)
    async with running(SERVICE, Settings(cache=Cache(store=store))) as (runtime, channel):
        yield runtime, CacheServiceStub(channel)


async def test_an_answer_comes_back_whole_and_dated_by_the_service(service):
    _, stub = service
    before = time.time()
    request = StoreRequest(fingerprint=ONE, answer=ANSWER)
    request.answer.stored_at.FromSeconds(1)
    assert (await stub.Store(request)).stored
    hit = (await stub.LookUp(LookUpRequest(fingerprint=ONE))).hit
    assert before - 1 <= hit.stored_at.ToSeconds() <= time.time()
    assert (hit.fresh_for.seconds, hit.stale_for.seconds) == (300, 0)
    for member in ("stored_at", "fresh_for", "stale_for"):
        hit.ClearField(member)
    assert hit == ANSWER
    assert hit.usage.HasField("output_tokens")


async def test_a_miss_is_an_outcome(service):
    response = await service[1].LookUp(LookUpRequest(fingerprint=OTHER))
    assert response.WhichOneof("outcome") == "miss"


async def test_statistics_and_metrics_count_what_happened(service):
    runtime, stub = service
    await stub.Store(StoreRequest(fingerprint=ONE, answer=ANSWER))
    for fingerprint in (ONE, ONE, OTHER):
        await stub.LookUp(LookUpRequest(fingerprint=fingerprint))
    statistics = await stub.GetStatistics(GetStatisticsRequest())
    assert (statistics.hits, statistics.misses, statistics.stores, statistics.evictions) == (2, 1, 1, 0)
    keys_of_the_log = 0 if statistics.store == "memory" else 1
    assert statistics.entries == 1 + keys_of_the_log
    assert statistics.bytes > len(ANSWER.body)
    bounds = (10_000, 256 << 20) if statistics.store == "memory" else (0, 0)
    assert (statistics.max_entries, statistics.max_bytes) == bounds
    exposition = runtime.metrics.exposition().decode()
    assert 'runestone_cache_lookups_total{outcome="hit"} 2.0' in exposition
    assert 'runestone_cache_lookups_total{outcome="miss"} 1.0' in exposition
    assert "runestone_cache_stores_total 1.0" in exposition


async def test_a_look_up_without_a_whole_fingerprint_is_refused(service):
    with pytest.raises(RunestoneError) as caught:
        await service[1].LookUp(LookUpRequest(fingerprint=b"short"))
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_REQUEST, "fingerprint")


async def test_a_time_to_live_beyond_all_clocks_is_a_year(service):
    request = StoreRequest(fingerprint=ONE, answer=ANSWER, ttl=Duration(seconds=2**62))
    assert (await service[1].Store(request)).stored
    hit = (await service[1].LookUp(LookUpRequest(fingerprint=ONE))).hit
    assert hit.fresh_for.seconds == 365 * 86_400


async def test_evictions_are_counted_where_they_happen():
    async with running(SERVICE, Settings(cache=Cache(max_size=2))) as (runtime, channel):
        stub = CacheServiceStub(channel)
        for number in range(5):
            await stub.Store(StoreRequest(fingerprint=bytes([number]) * 32, answer=ANSWER))
        statistics = await stub.GetStatistics(GetStatisticsRequest())
        assert (statistics.entries, statistics.evictions, statistics.stores) == (2, 3, 5)
        exposition = runtime.metrics.exposition().decode()
        assert "runestone_cache_evictions_total 3.0" in exposition
        assert "runestone_cache_entries 2.0" in exposition
        assert f"runestone_cache_bytes {float(statistics.bytes)}" in exposition


@pytest.mark.parametrize("cache", [Cache(max_bytes=Size(4096)), Cache(default_ttl=Seconds(0))])
async def test_an_answer_that_has_no_place_is_not_stored_and_says_so(cache):
    async with running(SERVICE, Settings(cache=cache)) as (_, channel):
        stub = CacheServiceStub(channel)
        answer = Answer(body=b"x" * 4096)
        assert not (await stub.Store(StoreRequest(fingerprint=ONE, answer=answer))).stored
        assert (await stub.GetStatistics(GetStatisticsRequest())).stores == 0


async def test_a_store_that_does_not_answer_is_unavailable():
    settings = Settings(cache=Cache(store=f"redis://127.0.0.1:{free_port()}/0"))
    async with running(SERVICE, settings) as (runtime, channel):
        stub = CacheServiceStub(channel)
        for question in (
            stub.LookUp(LookUpRequest(fingerprint=ONE)),
            stub.Store(StoreRequest(fingerprint=ONE, answer=ANSWER)),
            stub.GetStatistics(GetStatisticsRequest()),
        ):
            with pytest.raises(RunestoneError) as caught:
                await question
            assert caught.value.reason is Reason.UNAVAILABLE
        assert 'runestone_cache_lookups_total{outcome="unavailable"} 1.0' in runtime.metrics.exposition().decode()
        assert not runtime.facts.is_ready


async def test_replicas_on_one_redis_share_their_answers(redis_url, monkeypatch):
    monkeypatch.setattr("chassis.redis.DEADLINE", PATIENT)
    settings = Settings(cache=Cache(store=redis_url))
    async with running(SERVICE, settings) as (_, one), running(SERVICE, settings) as (_, other):
        await CacheServiceStub(one).Store(StoreRequest(fingerprint=ONE, answer=ANSWER))
        response = await CacheServiceStub(other).LookUp(LookUpRequest(fingerprint=ONE))
        assert response.hit.body == ANSWER.body
