"""What every service's door gives for nothing: health, reflection, large messages, metrics, what it says of itself."""

import asyncio
import os

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from structlog.testing import capture_logs

from chassis.client import Channel
from chassis.config import Settings
from chassis.errors import Reason, RunestoneError
from chassis.health import Facts
from chassis.logs import get_logger
from chassis.metrics import Metrics
from chassis.plain import PlainLink
from chassis.server import Server
from chassis.snapshots import snapshot_version
from chassis.testing import free_port, running, short_directory
from chassis.tracing import Tracing
from runestone.cache.v1.cache_pb2 import Answer, LookUpRequest, LookUpResponse, StoreRequest, StoreResponse
from runestone.cache.v1.cache_pb2_grpc import CacheServiceStub
from runestone.introspection.v1.introspection_pb2 import GetMetricsRequest, GetStatusRequest
from runestone.introspection.v1.introspection_pb2_grpc import IntrospectionServiceStub

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
BODY = b"x" * (20 << 20)


async def health_of(channel: Channel) -> int:
    return (await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())).status


def test_without_a_fact_nothing_is_ready():
    facts = Facts()
    assert not facts.is_ready
    facts.declare("store")
    assert not facts.is_ready
    facts.say("store", holds=True)
    assert facts.is_ready


def test_watchers_hear_of_changes_only():
    facts, heard = Facts(), []
    facts.watch(lambda: heard.append(facts.is_ready))
    facts.say("store", holds=True)
    facts.say("store", holds=True)
    facts.say("store", holds=False, detail="gone")
    assert heard == [True, False]


async def test_a_server_listens_before_it_serves():
    """grpcio's own servicer says SERVING as soon as it exists; a balancer would send calls to a service still starting."""
    facts = Facts()
    facts.declare("store")
    server = Server(facts=facts, tracing=Tracing("t"), metrics=Metrics(), log=get_logger("t"))
    with short_directory() as directory:
        await server.start(f"unix:{directory}/s.sock")
        async with Channel(f"unix:{directory}/s.sock", tracing=Tracing("t")) as channel:
            assert await health_of(channel) == NOT_SERVING
            facts.say("store", holds=True)
            await server.publish_health()
            assert await health_of(channel) == SERVING
        await server.stop(0)


async def test_an_address_that_is_taken_is_an_os_error():
    """The command then ends with one clear line."""
    port = free_port()
    first, second = (Server(facts=Facts(), tracing=Tracing("t"), metrics=Metrics(), log=get_logger("t")) for _ in "12")
    await first.start(f"127.0.0.1:{port}")
    try:
        with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{port}"):
            await second.start(f"127.0.0.1:{port}")
    finally:
        await first.stop(0)


async def test_health_follows_the_facts(scripted):
    async def declare(runtime):
        runtime.facts.declare("store")

    async with running(scripted(build=declare), Settings()) as (runtime, channel):
        watch = aiter(health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest()))
        assert (await anext(watch)).status == NOT_SERVING
        runtime.facts.say("store", holds=True)
        assert (await asyncio.wait_for(anext(watch), 10)).status == SERVING
        runtime.facts.say("store", holds=False, detail="the disk is full")
        assert (await asyncio.wait_for(anext(watch), 10)).status == NOT_SERVING
        await watch.aclose()


async def test_reflection_lists_what_is_served(scripted):
    async def ask():
        yield reflection_pb2.ServerReflectionRequest(list_services="")

    async with running(scripted(), Settings()) as (_, channel):
        plain = PlainLink(channel.address)
        stub = reflection_pb2_grpc.ServerReflectionStub(plain.channel)
        names = {s.name async for r in stub.ServerReflectionInfo(ask()) for s in r.list_services_response.service}
        await plain.close()
    assert names == {
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
        "runestone.cache.v1.CacheService",
        "runestone.introspection.v1.IntrospectionService",
        "runestone.provider.v1.ProviderService",
    }


async def test_a_body_of_twenty_mebibytes_passes_both_ways(scripted):
    """gRPC's default is 4 MB."""
    stored = []

    async def store(request, context):
        stored.append(request.answer.body)
        return StoreResponse(stored=True)

    async def look_up(request, context):
        return LookUpResponse(hit=Answer(body=stored[0]))

    async with running(scripted(store=store, look_up=look_up), Settings()) as (_, channel):
        stub = CacheServiceStub(channel)
        assert (await stub.Store(StoreRequest(answer=Answer(body=BODY)))).stored
        assert (await stub.LookUp(LookUpRequest())).hit.body == BODY


async def test_a_process_says_what_it_is_and_what_does_not_hold(scripted):
    async def declare(runtime):
        runtime.facts.declare("store", detail="connecting")

    settings = Settings()
    async with running(scripted("cache", build=declare), settings) as (_, channel):
        status = await IntrospectionServiceStub(channel).GetStatus(GetStatusRequest())
    assert (status.service, status.process_id, status.ready) == ("cache", os.getpid(), False)
    assert status.snapshot_version == snapshot_version(settings)
    assert {fact.name: (fact.holds, fact.detail) for fact in status.facts} == {
        "listening": (True, ""),
        "store": (False, "connecting"),
    }


async def test_rpcs_are_counted_by_method_and_outcome(scripted):
    async def refuse(request, context):
        raise RunestoneError(Reason.RATE_LIMITED, "too many")

    async with running(scripted(look_up=refuse), Settings()) as (_, channel):
        with pytest.raises(RunestoneError):
            await CacheServiceStub(channel).LookUp(LookUpRequest())
        metrics = await IntrospectionServiceStub(channel).GetMetrics(GetMetricsRequest())
        assert metrics.process_id == os.getpid()
    lines = metrics.exposition.decode().splitlines()
    labels = 'code="RESOURCE_EXHAUSTED",method="/runestone.cache.v1.CacheService/LookUp"'
    assert f"runestone_rpc_server_seconds_count{{{labels}}} 1.0" in lines
    assert "runestone_rpc_server_running 1.0" in lines  # the one that asks


async def test_a_plain_client_gets_the_canonical_code(scripted):
    """Other languages' clients and grpcurl see a status they know."""

    async def refuse(request, context):
        raise RunestoneError(Reason.MODEL_NOT_FOUND, "no such model")

    async with (
        running(scripted(look_up=refuse), Settings()) as (_, channel),
        grpc.aio.insecure_channel(channel.address) as plain,
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await CacheServiceStub(plain).LookUp(LookUpRequest())
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.NOT_FOUND, "no such model")


@pytest.mark.parametrize(
    ("reason", "lines"), [(Reason.NOT_FOUND, 0), (Reason.UNIMPLEMENTED, 0), (Reason.INVALID_REQUEST, 1)]
)
async def test_what_failed_is_in_the_log_and_what_is_an_answer_is_not(scripted, reason, lines):
    """Whoever asks for what a store cannot do is told so again and again, on a mesh that is well."""

    async def refuse(request, context):
        raise RunestoneError(reason, "no")

    with capture_logs() as logged:
        async with running(scripted(look_up=refuse), Settings()) as (_, channel):
            with pytest.raises(RunestoneError):
                await CacheServiceStub(channel).LookUp(LookUpRequest())
    assert len([line for line in logged if line["event"] == "rpc failed"]) == lines
