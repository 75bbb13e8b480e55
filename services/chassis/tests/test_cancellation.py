"""Cancellation reaches the handler, whatever it is doing when its client leaves."""

import asyncio

import pytest

from chassis.client import closing
from chassis.config import Settings
from chassis.testing import running
from runestone.cache.v1.cache_pb2 import LookUpRequest
from runestone.cache.v1.cache_pb2_grpc import CacheServiceStub
from runestone.provider.v1.provider_pb2 import CallEvent, CallRequest, CallResponse, Data
from runestone.provider.v1.provider_pb2_grpc import ProviderServiceStub

PATIENCE = 10
LARGE = CallResponse(events=[CallEvent(data=Data(body=b"x" * (1 << 20)))])


class Scene:
    """A handler that says when it began and when it was left; between the two it says `before` and then hangs."""

    def __init__(self, *before: CallResponse) -> None:
        self.began, self.left = asyncio.Event(), asyncio.Event()
        self._before = before

    async def unary(self, request, context):
        self.began.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.left.set()

    async def stream(self, request, context):
        self.began.set()
        try:
            for response in self._before:
                yield response
            await asyncio.Event().wait()
        finally:
            self.left.set()


async def cancel(task: asyncio.Task) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_leaving_a_unary_call_cancels_its_handler(scripted):
    scene = Scene()
    async with running(scripted(look_up=scene.unary), Settings()) as (_, channel):
        call = asyncio.ensure_future(CacheServiceStub(channel).LookUp(LookUpRequest()))
        await asyncio.wait_for(scene.began.wait(), PATIENCE)
        await cancel(call)
        await asyncio.wait_for(scene.left.wait(), PATIENCE)


async def test_leaving_a_stream_before_its_first_message_cancels_its_handler(scripted):
    scene = Scene()
    async with running(scripted(call=scene.stream), Settings()) as (_, channel):
        first = asyncio.ensure_future(anext(aiter(ProviderServiceStub(channel).Call(CallRequest()))))
        await asyncio.wait_for(scene.began.wait(), PATIENCE)
        await cancel(first)
        await asyncio.wait_for(scene.left.wait(), PATIENCE)


async def test_closing_a_stream_closes_the_handlers_generator(scripted):
    scene = Scene(CallResponse())
    async with running(scripted(call=scene.stream), Settings()) as (_, channel):
        async with closing(ProviderServiceStub(channel).Call(CallRequest())) as responses:
            assert await anext(responses) == CallResponse()
        await asyncio.wait_for(scene.left.wait(), PATIENCE)


async def test_a_handler_that_waits_for_a_slow_reader_is_closed_when_the_reader_leaves(scripted):
    """The handler stands at its `yield`: more was said than the connection holds, and the client reads one message."""
    scene = Scene(*[LARGE] * 64)
    async with running(scripted(call=scene.stream), Settings()) as (_, channel):
        async with closing(ProviderServiceStub(channel).Call(CallRequest())) as responses:
            await anext(responses)
            await asyncio.sleep(0)
        await asyncio.wait_for(scene.left.wait(), PATIENCE)


async def test_a_place_is_free_again_after_its_call_was_left(scripted):
    """Whatever the way out, the limiter counts it."""
    scene = Scene(CallResponse())
    async with running(scripted(call=scene.stream), Settings()) as (runtime, channel):
        async with closing(ProviderServiceStub(channel).Call(CallRequest())) as responses:
            await anext(responses)
            assert runtime._server.limiter.running == 1
        await asyncio.wait_for(scene.left.wait(), PATIENCE)
        async with asyncio.timeout(PATIENCE):
            while runtime._server.limiter.running:
                await asyncio.sleep(0.001)


async def test_a_running_call_is_cancelled_when_the_service_stops_without_grace(scripted):
    scene = Scene()
    async with running(scripted(look_up=scene.unary), Settings()) as (runtime, channel):
        call = asyncio.ensure_future(CacheServiceStub(channel).LookUp(LookUpRequest()))
        await asyncio.wait_for(scene.began.wait(), PATIENCE)
        await runtime.stop(0)
        await asyncio.wait_for(scene.left.wait(), PATIENCE)
        await asyncio.gather(call, return_exceptions=True)
