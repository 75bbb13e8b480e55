"""A bound on running calls that holds after every wave."""

import asyncio

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chassis.config import Settings
from chassis.errors import Reason, RunestoneError
from chassis.limiter import ConcurrencyLimiter
from chassis.testing import running
from runestone.cache.v1.cache_pb2 import LookUpRequest, LookUpResponse, Miss
from runestone.cache.v1.cache_pb2_grpc import CacheServiceStub

PLACES, CALLERS = 3, 12


def test_the_place_of_a_failed_call_is_free_again():
    limiter = ConcurrencyLimiter(1)
    with pytest.raises(ZeroDivisionError), limiter:
        raise ZeroDivisionError
    with limiter:
        assert limiter.running == 1
    assert limiter.running == 0


def test_a_refusal_says_when_to_come_back_and_takes_no_place():
    limiter = ConcurrencyLimiter(1)
    with limiter:
        with pytest.raises(RunestoneError, match="all 1 places are taken") as caught, limiter:
            pytest.fail("entered above the bound")
        assert repr(limiter) == "ConcurrencyLimiter(1/1 running, 1 refused)"
    assert (caught.value.reason, caught.value.retry_after) == (Reason.OVERLOADED, 1.0)


class Gate:
    """A handler in which calls wait together until the test lets them go."""

    def __init__(self) -> None:
        self.inside = 0
        self.opened = asyncio.Event()

    async def look_up(self, request, context):
        self.inside += 1
        try:
            await self.opened.wait()
            return LookUpResponse(miss=Miss())
        finally:
            self.inside -= 1

    async def wait_until_full(self) -> None:
        async with asyncio.timeout(10):
            while self.inside < PLACES:
                await asyncio.sleep(0.001)


async def test_three_waves_are_each_held_to_the_bound(scripted):
    """grpc.aio's own bound let every call through once it had rejected some (grpc issue 41531)."""
    gate = Gate()

    async def bound(runtime):
        runtime._server.limiter = ConcurrencyLimiter(PLACES)

    async with running(scripted(look_up=gate.look_up, build=bound), Settings()) as (_, channel):
        stub = CacheServiceStub(channel)
        for _ in range(3):
            gate.opened.clear()
            calls = [asyncio.ensure_future(stub.LookUp(LookUpRequest())) for _ in range(CALLERS)]
            refused = await first_done(calls, CALLERS - PLACES)
            await gate.wait_until_full()
            assert gate.inside == PLACES
            assert {call.exception().reason for call in refused} == {Reason.OVERLOADED}
            gate.opened.set()
            answers = await asyncio.gather(*calls, return_exceptions=True)
            assert sum(isinstance(answer, LookUpResponse) for answer in answers) == PLACES


async def first_done(calls: list[asyncio.Future], count: int) -> list[asyncio.Future]:
    """The first `count` calls that end."""
    async with asyncio.timeout(10):
        while sum(call.done() for call in calls) < count:
            await asyncio.wait([call for call in calls if not call.done()], return_when=asyncio.FIRST_COMPLETED)
    return [call for call in calls if call.done()]


async def test_probes_pass_while_the_service_is_full(scripted):
    """A full service is not a sick one: taking it out of rotation would make its neighbours fuller."""
    gate = Gate()

    async def bound(runtime):
        runtime._server.limiter = ConcurrencyLimiter(0)

    async with running(scripted(look_up=gate.look_up, build=bound), Settings()) as (_, channel):
        answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
