"""RateLimitService over a real socket."""

import pytest
from google.protobuf.duration_pb2 import Duration

from chassis.config import Settings
from chassis.config.schema import RateLimit
from chassis.errors import Reason, RunestoneError
from chassis.testing import free_port, running
from ratelimit_svc.service import SERVICE
from runestone.ratelimit.v1.ratelimit_pb2 import Limit, ReserveRequest, ReserveResponse
from runestone.ratelimit.v1.ratelimit_pb2_grpc import RateLimitServiceStub

HOUR = Duration(seconds=3600)
PATIENT = 9.0  # seconds; more than any answer takes on a busy machine


def limit(*subject, quantity=2, **members):
    return Limit(**{"subject": subject, "name": "requests_per_hour", "quantity": quantity, "period": HOUR, **members})


@pytest.fixture
async def service():
    async with running(SERVICE, Settings()) as (runtime, channel):
        yield runtime, RateLimitServiceStub(channel)


async def test_a_call_is_admitted_until_its_limit_is_used_up(service):
    _, stub = service
    request = ReserveRequest(limits=[limit("tenant", "acme"), limit("key", "acme", "ci", quantity=10)])
    first, second, third = [await stub.Reserve(request) for _ in range(3)]
    assert first.admitted
    assert [state.remaining for state in first.states] == [1, 9]
    assert first.states[0].reset_after == Duration(seconds=1800)
    assert not first.states[0].HasField("retry_after")
    assert second.admitted
    assert not third.admitted
    assert [(state.admitted, state.remaining) for state in third.states] == [(False, 0), (True, 8)]
    assert 1790 < third.states[0].retry_after.ToSeconds() <= 1800
    assert not third.states[1].HasField("retry_after")


async def test_no_limits_mean_admitted(service):
    assert await service[1].Reserve(ReserveRequest()) == ReserveResponse(admitted=True)


async def test_an_amount_above_the_burst_has_no_time_to_wait_for(service):
    response = await service[1].Reserve(ReserveRequest(limits=[limit("t", amount=3)]))
    assert not response.admitted
    assert not response.states[0].HasField("retry_after")


@pytest.mark.parametrize(
    ("limits", "param"),
    [
        ([limit("a"), limit()], "limits[1].subject"),
        ([limit("a", quantity=0)], "limits[0].quantity"),
        ([limit("a", period=Duration())], "limits[0].period"),
        ([limit("a", period=Duration(nanos=999))], "limits[0].period"),
        ([limit("a", period=Duration(seconds=-1))], "limits[0].period"),
        ([limit("a", burst=2**63)], "limits[0].burst"),
        ([limit("a"), limit("b"), limit("a", quantity=9)], "limits[2]"),
        ([limit(str(number)) for number in range(33)], "limits"),
    ],
)
async def test_a_request_that_makes_no_sense_is_refused_and_charges_nothing(service, limits, param):
    with pytest.raises(RunestoneError) as caught:
        await service[1].Reserve(ReserveRequest(limits=limits))
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_REQUEST, param)
    assert (await service[1].Reserve(ReserveRequest(limits=[limit("a")]))).states[0].remaining == 1


async def test_decisions_and_the_stores_time_are_measured(service):
    runtime, stub = service
    for _ in range(3):
        await stub.Reserve(ReserveRequest(limits=[limit("tenant")]))
    exposition = runtime.metrics.exposition().decode()
    assert 'runestone_ratelimit_decisions_total{outcome="admitted"} 2.0' in exposition
    assert 'runestone_ratelimit_decisions_total{outcome="refused"} 1.0' in exposition
    assert "runestone_ratelimit_store_seconds_count 3.0" in exposition
    assert "runestone_ratelimit_subjects 1.0" in exposition


async def test_replicas_on_one_redis_share_a_limit(redis_url, monkeypatch):
    monkeypatch.setattr("chassis.redis.DEADLINE", PATIENT)
    settings = Settings(ratelimit=RateLimit(store=redis_url))
    request = ReserveRequest(limits=[limit("tenant", "acme")])
    async with running(SERVICE, settings) as (_, one), running(SERVICE, settings) as (_, other):
        replicas = [RateLimitServiceStub(one), RateLimitServiceStub(other)]
        admitted = [(await replicas[turn % 2].Reserve(request)).admitted for turn in range(4)]
    assert admitted == [True, True, False, False]


async def test_a_store_that_does_not_answer_is_unavailable_and_counted():
    settings = Settings(ratelimit=RateLimit(store=f"redis://127.0.0.1:{free_port()}/0"))
    async with running(SERVICE, settings) as (runtime, channel):
        for _ in range(8):
            with pytest.raises(RunestoneError) as caught:
                await RateLimitServiceStub(channel).Reserve(ReserveRequest(limits=[limit("tenant")]))
            assert caught.value.reason is Reason.UNAVAILABLE
        exposition = runtime.metrics.exposition().decode()
        assert 'runestone_ratelimit_decisions_total{outcome="unavailable"} 8.0' in exposition
        assert "runestone_store_up 0.0" in exposition
        assert not runtime.facts.is_ready
