"""`mesh.<service>.probe`: health in the clear, for who cannot show a certificate."""

import asyncio
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tls_stage import EDGE_MAY_ACT, HANG, PATIENCE, UNARY, dial_as, mesh_settings, serving

from chassis.config.schema import Peer
from chassis.testing import free_port

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


async def check(channel: grpc.aio.Channel, service: str = "") -> Any:
    request = health_pb2.HealthCheckRequest(service=service)
    return (await health_pb2_grpc.HealthStub(channel).Check(request, timeout=PATIENCE)).status


async def test_it_says_how_the_service_is_without_a_certificate_and_nothing_else(folder: Any) -> None:
    probe = f"127.0.0.1:{free_port()}"
    async with (
        serving(mesh_settings(folder.tls, cache=Peer(probe=probe)), folder.path) as (runtime, _),
        grpc.aio.insecure_channel(probe) as channel,
    ):
        assert await check(channel) == SERVING
        runtime.facts.declare("store", "is gone")
        async with asyncio.timeout(PATIENCE):
            while await check(channel) != NOT_SERVING:
                await asyncio.sleep(0.01)
        assert await check(channel, "liveness") == SERVING
        for method in (UNARY, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"):
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await channel.unary_unary(method)(b"", timeout=PATIENCE)
            assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_nobody_holds_anything_there(folder: Any) -> None:
    """Neither streams that last, nor large messages: whoever reaches the port may ask."""
    probe = f"127.0.0.1:{free_port()}"
    async with (
        serving(mesh_settings(folder.tls, cache=Peer(probe=probe)), folder.path),
        grpc.aio.insecure_channel(probe) as channel,
    ):
        with pytest.raises(grpc.aio.AioRpcError) as watching:
            await anext(aiter(health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())))
        assert watching.value.code() is grpc.StatusCode.UNIMPLEMENTED
        with pytest.raises(grpc.aio.AioRpcError) as large:
            await check(channel, "x" * 5_000)
        assert large.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert await check(channel) == SERVING


async def test_it_says_that_the_service_stops_while_calls_still_run(folder: Any) -> None:
    probe = f"127.0.0.1:{free_port()}"
    settings = mesh_settings(folder.tls, EDGE_MAY_ACT, cache=Peer(probe=probe))
    async with (
        serving(settings, folder.path) as (runtime, address),
        grpc.aio.insecure_channel(probe) as channel,
        dial_as(folder.tls, "edge").open(address) as caller,
    ):
        running = caller.unary_unary(HANG)(b"")
        async with asyncio.timeout(PATIENCE):
            while b"runestone_rpc_server_running 1.0" not in runtime.metrics.exposition():
                await asyncio.sleep(0.01)
        stopping = asyncio.create_task(runtime.stop(PATIENCE))
        async with asyncio.timeout(PATIENCE):
            while await check(channel) == SERVING:
                await asyncio.sleep(0.01)
        assert not stopping.done()
        running.cancel()
        async with asyncio.timeout(PATIENCE):
            await stopping


async def test_a_port_that_is_taken_is_said(folder: Any) -> None:
    probe = f"127.0.0.1:{free_port()}"
    settings = mesh_settings(folder.tls, cache=Peer(probe=probe))
    async with serving(settings, folder.path):
        with pytest.raises(OSError, match=rf"cannot listen on {probe} \(probe\)"):
            async with serving(settings, folder.path):
                pass
