"""HintService over a real socket: what is refused, how a watch ends, and what the store's outage means."""

import asyncio

import pytest
from google.protobuf.duration_pb2 import Duration

from cache_svc.hints.memory import MemoryHints
from cache_svc.hints.servicer import HintServicer
from cache_svc.service import SERVICE
from chassis.client import closing
from chassis.clock import SystemClock
from chassis.config import Settings
from chassis.config.schema import Cache, SharedState
from chassis.errors import Reason, RunestoneError
from chassis.limiter import ConcurrencyLimiter
from chassis.testing import free_port, running
from runestone.hint.v1.hint_pb2 import TellRequest, WatchRequest
from runestone.hint.v1.hint_pb2_grpc import HintServiceStub

PATIENT = 20.0
MINUTE = Duration(seconds=60)
WATCH = WatchRequest(topic="breaker")


def tell(**members):
    return TellRequest(**{"topic": "breaker", "key": b"k", "sender": "me", "ttl": MINUTE, **members})


@pytest.fixture(params=["memory", "redis"])
def settings(request):
    store = "memory" if request.param == "memory" else request.getfixturevalue("redis_url")
    return Settings(cache=Cache(store=store))


async def test_a_hint_goes_from_who_tells_to_who_watches(settings):
    async with running(SERVICE, settings) as (runtime, channel):
        stub = HintServiceStub(channel)
        async with asyncio.timeout(PATIENT), closing(stub.Watch(WATCH)) as letters:
            assert list((await anext(letters)).hints) == []
            assert b"runestone_hint_watchers 1.0" in runtime.metrics.exposition()
            await stub.Tell(tell())
            (heard,) = (await anext(letters)).hints
    assert (heard.key, heard.sender) == (b"k", "me")
    assert 0 < heard.ttl.ToNanoseconds() <= 60e9


async def test_who_watches_does_not_hold_up_the_stop_of_the_service(settings):
    async with running(SERVICE, settings) as (runtime, channel):
        async with asyncio.timeout(PATIENT), closing(HintServiceStub(channel).Watch(WATCH)) as letters:
            await anext(letters)
            await runtime.stop(30)
            assert await anext(letters, None) is None


async def test_a_store_that_does_not_answer_is_unavailable_to_who_tells_and_silent_to_who_watches():
    """It is no fact: hints are never what a service waits for."""
    settings = Settings(cache=Cache(state=SharedState(store=f"redis://127.0.0.1:{free_port()}/0")))
    async with running(SERVICE, settings) as (runtime, channel):
        stub = HintServiceStub(channel)
        async with asyncio.timeout(PATIENT), closing(stub.Watch(WATCH)) as letters:
            assert list((await anext(letters)).hints) == []
            with pytest.raises(RunestoneError) as caught:
                await stub.Tell(tell())
        assert caught.value.reason is Reason.UNAVAILABLE
        assert "hint" not in repr(runtime.facts)


@pytest.fixture
def servicer():
    return HintServicer(MemoryHints(SystemClock()), ConcurrencyLimiter(1), span=lambda: 60.0)


@pytest.mark.parametrize(
    ("request_", "param"),
    [
        (tell(topic=""), "topic"),
        (tell(topic="t" * 65), "topic"),
        (tell(key=b""), "key"),
        (tell(key=b"k" * 513), "key"),
        (tell(sender=""), "sender"),
        (tell(sender="ü" * 33), "sender"),
        (tell(ttl=None), "ttl"),
        (tell(ttl=Duration(seconds=-1)), "ttl"),
        (tell(ttl=Duration(seconds=300, nanos=1)), "ttl"),
    ],
)
async def test_what_makes_no_sense_is_refused(servicer, request_, param):
    with pytest.raises(RunestoneError) as caught:
        await servicer.Tell(request_, None)
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_REQUEST, param)


async def test_a_watch_of_no_topic_is_refused_and_takes_no_place(servicer):
    for _ in range(2):
        with pytest.raises(RunestoneError) as caught:
            await anext(servicer.Watch(WatchRequest(), None))
        assert (caught.value.reason, caught.value.param) == (Reason.INVALID_REQUEST, "topic")


async def test_no_more_watch_than_may_and_a_place_is_free_again_when_one_leaves(servicer):
    first = servicer.Watch(WATCH, None)
    await anext(first)
    with pytest.raises(RunestoneError) as caught:
        await anext(servicer.Watch(WATCH, None))
    assert caught.value.reason is Reason.OVERLOADED
    await first.aclose()
    next_one = servicer.Watch(WATCH, None)
    await anext(next_one)
    await next_one.aclose()
