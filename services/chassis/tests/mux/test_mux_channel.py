"""Generated stubs on a session, and what goes wrong outside any servicer: the same as on plain gRPC."""

import asyncio

import pytest

from chassis import context as call_context
from chassis.client import Channel, closing
from chassis.config import Settings
from chassis.context import CallContext, TraceContext
from chassis.errors import Reason, RunestoneError
from chassis.mux.context import MuxContext
from chassis.testing import FakeClock, running
from chassis.tracing import Tracing
from runestone.cache.v1.cache_pb2 import Answer, LookUpRequest, LookUpResponse, StoreRequest
from runestone.cache.v1.cache_pb2_grpc import CacheServiceStub
from runestone.mux.v1.mux_pb2 import Open
from runestone.provider.v1.provider_pb2 import CallEvent, CallRequest, CallResponse, Data
from runestone.provider.v1.provider_pb2_grpc import ProviderServiceStub

PATIENCE = 10
TRACE = TraceContext("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", sampled=False)


async def test_generated_stubs_work_on_a_session(scripted, stage):
    hit = LookUpResponse(hit=Answer(body=b"x" * 200_000))
    events = [CallResponse(events=[CallEvent(data=Data(body=b"%d" % number))]) for number in range(5)]

    async def look_up(request, context):
        return hit

    async def call(request, context):
        for event in events:
            yield event

    async with running(scripted(look_up=look_up, call=call), Settings()) as (runtime, _):
        async with stage.linked(runtime.place.listen) as link:
            channel = Channel(link.address, tracing=Tracing("test"), link=link)
            cache, provider = CacheServiceStub(channel), ProviderServiceStub(channel)
            assert await cache.LookUp(LookUpRequest(fingerprint=b"x")) == hit
            assert (await cache.Store(StoreRequest(answer=hit.hit))).stored
            async with closing(provider.Call(CallRequest())) as answers:
                assert [answer async for answer in answers] == events


async def test_deadline_and_trace_reach_the_handler_over_a_session(scripted, stage):
    seen = []

    async def look_up(request, context):
        seen.append((call_context.current().trace, context.time_remaining()))
        return LookUpResponse()

    async with running(scripted(look_up=look_up), Settings()) as (runtime, _):
        async with stage.linked(runtime.place.listen) as link:
            channel = Channel(link.address, tracing=Tracing("test"), link=link)
            until = asyncio.get_running_loop().time() + 5
            call_context.bind(CallContext(TRACE, until))
            await CacheServiceStub(channel).LookUp(LookUpRequest())
    (trace, left) = seen[0]
    assert trace == TRACE
    assert 0 < left < 5


async def reason_of(work) -> Reason:
    with pytest.raises(RunestoneError) as failure:
        await work
    return failure.value.reason


async def undecodable(_request, _context):
    raise AssertionError("the request could not be read")


async def answer_text(_request, _context):
    return "a handler that answers with what is no message"


async def test_what_no_servicer_could_answer_has_the_same_reason_as_on_plain_grpc(scripted, stage):
    """No such method or service; a request, or an answer, that is none of its kind."""
    service = scripted(look_up=undecodable, store=answer_text)
    cases = {
        "/runestone.cache.v1.CacheService/Nothing": b"",
        "/nothing.v1.Nothing/Nothing": b"",
        "/runestone.cache.v1.CacheService/LookUp": b"\xff\xff",
        "/runestone.cache.v1.CacheService/Store": b"",
    }
    async with running(service, Settings()) as (runtime, _):
        address = runtime.place.listen
        async with stage.linked(address) as session, stage.plainly_linked(address) as plain:
            for method, request in cases.items():
                expected = await reason_of(plain.call(method, request, PATIENCE, ()))
                assert await reason_of(session.call(method, request, PATIENCE, ())) is expected, method


def test_a_context_counts_its_time_on_the_services_clock():
    clock = FakeClock()
    context = MuxContext(Open(timeout_us=2_500_000), clock, log=None)
    clock.advance(1)
    assert context.time_remaining() == pytest.approx(1.5)
    clock.advance(5)
    assert context.time_remaining() == 0


def test_a_context_without_a_trace_has_no_traceparent():
    assert MuxContext(Open(), FakeClock(), log=None).invocation_metadata() == []
    traced = MuxContext(Open(traceparent=TRACE.traceparent), FakeClock(), log=None)
    assert traced.invocation_metadata() == [("traceparent", TRACE.traceparent)]
