"""What the chassis' own tests stand on: a service that does what its test says, on a real socket."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc.aio
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from chassis.runtime import Runtime, Service
from runestone.cache.v1 import cache_pb2, cache_pb2_grpc
from runestone.provider.v1 import provider_pb2, provider_pb2_grpc


async def answer_miss(request: Any, context: Any) -> cache_pb2.LookUpResponse:
    return cache_pb2.LookUpResponse(miss=cache_pb2.Miss())


async def say_stored(request: Any, context: Any) -> cache_pb2.StoreResponse:
    return cache_pb2.StoreResponse(stored=True)


async def answer_nothing(request: Any, context: Any) -> AsyncIterator[provider_pb2.CallResponse]:
    for response in ():
        yield response


async def build_nothing(runtime: Runtime) -> None:
    pass


@dataclass
class Script(cache_pb2_grpc.CacheServiceServicer, provider_pb2_grpc.ProviderServiceServicer):
    """Two servicers in one, whose rpcs are the test's own functions: unary `look_up` and `store`, streaming `call`."""

    look_up: Callable[[Any, Any], Awaitable[Any]] = answer_miss
    store: Callable[[Any, Any], Awaitable[Any]] = say_stored
    call: Callable[[Any, Any], AsyncIterator[Any]] = answer_nothing
    build: Callable[[Runtime], Awaitable[None]] = build_nothing

    async def LookUp(self, request, context):
        return await self.look_up(request, context)

    async def Store(self, request, context):
        return await self.store(request, context)

    async def Call(self, request, context):
        async for response in self.call(request, context):
            yield response

    def as_service(self, name: str = "scripted") -> Service:
        async def build(runtime: Runtime) -> None:
            runtime.serve(cache_pb2_grpc.add_CacheServiceServicer_to_server, self, "runestone.cache.v1.CacheService")
            add_provider = provider_pb2_grpc.add_ProviderServiceServicer_to_server
            runtime.serve(add_provider, self, "runestone.provider.v1.ProviderService")
            await self.build(runtime)

        return Service(name, build)


@pytest.fixture
def scripted() -> Callable[..., Service]:
    """Makes a service out of the functions that are to answer its rpcs."""
    return lambda name="scripted", **behaviour: Script(**behaviour).as_service(name)


@dataclass
class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """An OpenTelemetry collector that keeps what it is sent."""

    endpoint: str = ""
    spans: list[tuple[str, Span]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    resources: list[dict[str, str]] = field(default_factory=list)

    async def Export(self, request, context):
        self.headers = dict(context.invocation_metadata())
        for sent in request.resource_spans:
            self.resources.append({item.key: item.value.string_value for item in sent.resource.attributes})
            service = next(item.value.string_value for item in sent.resource.attributes if item.key == "service.name")
            self.spans += [(service, span) for scope in sent.scope_spans for span in scope.spans]
        return trace_service_pb2.ExportTraceServiceResponse()


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    collector, server = Collector(), grpc.aio.server()
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)
    collector.endpoint = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        yield collector
    finally:
        await server.stop(0)


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    """A collector on loopback."""
    async with collecting() as collector:
        yield collector
