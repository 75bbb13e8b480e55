"""Lease and Return over a real socket."""

import pytest
from google.protobuf.duration_pb2 import Duration

from chassis.config import Settings
from chassis.config.schema import RateLimit
from chassis.errors import Reason, RunestoneError
from chassis.testing import free_port, running
from ratelimit_svc.service import SERVICE
from runestone.ratelimit.v1.ratelimit_pb2 import (
    AskedLimit,
    LeaseRequest,
    LeaseResponse,
    Leftover,
    Limit,
    ReturnRequest,
    ReturnResponse,
)
from runestone.ratelimit.v1.ratelimit_pb2_grpc import RateLimitServiceStub

HOUR = Duration(seconds=3600)


def limit(*subject, **members):
    return Limit(**{"subject": subject, "name": "requests_per_hour", "quantity": 360, "period": HOUR, **members})


@pytest.fixture
async def service():
    async with running(SERVICE, Settings()) as (runtime, channel):
        yield runtime, RateLimitServiceStub(channel)


async def test_a_lease_is_granted_and_returned(service):
    _, stub = service
    asked = [AskedLimit(limit=limit("tenant"), ahead=20), AskedLimit(limit=limit("key", quantity=4), ahead=20)]
    answer = await stub.Lease(LeaseRequest(limits=asked, calls=2))
    assert answer.admitted == 2
    tenant, key = answer.limits
    assert (tenant.units, tenant.state.admitted, tenant.state.remaining) == (20, True, 338)
    assert tenant.expires_after == Duration(seconds=200)
    assert (key.units, key.lease_id, key.HasField("expires_after"), key.state.remaining) == (0, "", False, 2)

    left = ReturnRequest(leftovers=[Leftover(lease_id=tenant.lease_id, limit=limit("tenant"), units=15)])
    assert (await stub.Return(left)).refunded == [15]
    assert (await stub.Return(left)).refunded == [0]


async def test_leases_have_names_of_their_own(service):
    asked = LeaseRequest(limits=[AskedLimit(limit=limit("t"), ahead=2)])
    names = {(await service[1].Lease(asked)).limits[0].lease_id for _ in range(10)}
    assert len(names) == 10


async def test_calls_without_limits_are_admitted(service):
    assert await service[1].Lease(LeaseRequest(calls=3)) == LeaseResponse(admitted=3)
    assert await service[1].Return(ReturnRequest()) == ReturnResponse()


@pytest.mark.parametrize(
    ("request_", "param"),
    [
        (LeaseRequest(calls=1001), "calls"),
        (LeaseRequest(limits=[AskedLimit(limit=limit("a"), ahead=10_000_001)]), "limits[0].ahead"),
        (LeaseRequest(limits=[AskedLimit(limit=limit("a", amount=2))]), "limits[0].amount"),
        (LeaseRequest(limits=[AskedLimit(limit=limit("a")), AskedLimit(limit=limit("a"))]), "limits[1]"),
        (LeaseRequest(limits=[AskedLimit()]), "limits[0].subject"),
        (LeaseRequest(limits=[AskedLimit(limit=limit(str(number))) for number in range(33)]), "limits"),
        (ReturnRequest(leftovers=[Leftover(limit=limit(), units=1)]), "leftovers[0].limit.subject"),
        (ReturnRequest(leftovers=[Leftover(limit=limit("a"), units=10_000_001)]), "leftovers[0].units"),
        (ReturnRequest(leftovers=[Leftover(limit=limit("a"))] * 33), "leftovers"),
    ],
)
async def test_a_request_that_makes_no_sense_is_refused(service, request_, param):
    rpc = service[1].Lease if isinstance(request_, LeaseRequest) else service[1].Return
    with pytest.raises(RunestoneError) as caught:
        await rpc(request_)
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_REQUEST, param)


async def test_leased_and_returned_units_and_calls_are_counted(service):
    runtime, stub = service
    granted = await stub.Lease(LeaseRequest(limits=[AskedLimit(limit=limit("t", quantity=10), ahead=1)], calls=2))
    await stub.Return(
        ReturnRequest(leftovers=[Leftover(lease_id=granted.limits[0].lease_id, limit=limit("t", quantity=10), units=1)])
    )
    await stub.Lease(LeaseRequest(limits=[AskedLimit(limit=limit("t", quantity=10))], calls=11))
    exposition = runtime.metrics.exposition().decode()
    assert 'runestone_ratelimit_decisions_total{outcome="admitted"} 10.0' in exposition
    assert 'runestone_ratelimit_decisions_total{outcome="refused"} 3.0' in exposition
    assert "runestone_ratelimit_leased_units_total 1.0" in exposition
    assert "runestone_ratelimit_returned_units_total 1.0" in exposition


async def test_a_store_that_does_not_answer_grants_nothing():
    settings = Settings(ratelimit=RateLimit(store=f"redis://127.0.0.1:{free_port()}/0"))
    async with running(SERVICE, settings) as (_, channel):
        stub = RateLimitServiceStub(channel)
        for rpc, request in (
            (stub.Lease, LeaseRequest(limits=[AskedLimit(limit=limit("t"), ahead=1)])),
            (stub.Return, ReturnRequest(leftovers=[Leftover(lease_id="a", limit=limit("t"), units=1)])),
        ):
            with pytest.raises(RunestoneError) as caught:
                await rpc(request)
            assert caught.value.reason is Reason.UNAVAILABLE
