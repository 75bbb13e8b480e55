"""Deadlines shrink at each hop, and too little time is refused at the door."""

import asyncio
import time

import grpc
import grpc.aio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis import deadline, server
from chassis.config import Settings
from chassis.context import CallContext, bind, current
from chassis.deadline import LEAST, RESERVE, time_for_hop
from chassis.errors import Reason, RunestoneError
from chassis.testing import running
from runestone.cache.v1 import cache_pb2
from runestone.cache.v1.cache_pb2_grpc import CacheServiceStub

ASK = cache_pb2.LookUpRequest()
MISS = cache_pb2.LookUpResponse(miss=cache_pb2.Miss())
times = st.floats(0, 10_000, allow_nan=False)


@given(times, times, times)
def test_a_callee_never_gets_more_than_the_caller_has(left, now, default):
    try:
        given_time = time_for_hop(now + left, now, default)
    except RunestoneError:
        assert left < RESERVE + LEAST + 1e-6
    else:
        assert given_time <= min(default, left - RESERVE + 1e-6)


def test_work_without_a_deadline_gets_the_default():
    assert time_for_hop(None, now=123.0, default=7.0) == 7.0


def note_time_left(name, left, then):
    """A handler that notes the seconds its call has left, then does as told."""

    async def look_up(request, context):
        left[name] = current().deadline - time.monotonic()
        return await then(request)

    return look_up


async def answer(request):
    return MISS


async def test_a_deadline_shrinks_by_the_reserve_over_each_of_two_hops(scripted, monkeypatch):
    """gRPC rounds a timeout of this size up to 100 ms, so the reserve is made large enough to be seen beside that."""
    monkeypatch.setattr(deadline, "RESERVE", 5.0)
    left = {}

    async def ask_last(request):
        return await CacheServiceStub(last).LookUp(request)

    async with (
        running(scripted(look_up=note_time_left("last", left, answer)), Settings()) as (_, last),
        running(scripted(look_up=note_time_left("first", left, ask_last)), Settings()) as (_, first),
    ):
        bind(CallContext(deadline=time.monotonic() + 60))
        assert await CacheServiceStub(first).LookUp(ASK) == MISS
    assert left["first"] < 55.1
    assert left["last"] < left["first"] - 4.9


async def test_a_caller_without_enough_time_does_not_even_ask(scripted):
    asked = []

    async def look_up(request, context):
        asked.append(request)
        return MISS

    async with running(scripted(look_up=look_up), Settings()) as (_, channel):
        bind(CallContext(deadline=time.monotonic() + RESERVE))
        with pytest.raises(RunestoneError, match="no time for the next step") as caught:
            await CacheServiceStub(channel).LookUp(ASK)
    assert (caught.value.reason, asked) == (Reason.DEADLINE_EXCEEDED, [])


async def test_a_call_that_arrives_with_no_time_left_is_refused_before_the_servicer_sees_it(scripted, monkeypatch):
    """The server judges by its own least time: a minute is not enough for one that needs an hour."""
    monkeypatch.setattr(server, "LEAST", 3600.0)
    asked = []

    async def look_up(request, context):
        asked.append(request)
        return MISS

    async with running(scripted(look_up=look_up), Settings()) as (_, channel):
        with pytest.raises(RunestoneError, match="arrived with no time left") as caught:
            await CacheServiceStub(channel).LookUp(ASK, timeout=60)
    assert (caught.value.reason, asked) == (Reason.DEADLINE_EXCEEDED, [])


async def test_a_callee_that_hangs_is_given_up_at_the_deadline(scripted):
    """The caller is told DEADLINE_EXCEEDED, and the handler is cancelled rather than left behind."""
    cancelled = asyncio.Event()

    async def hang(request, context):
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with running(scripted(look_up=hang), Settings()) as (_, channel):
        with pytest.raises(RunestoneError) as caught:
            await CacheServiceStub(channel).LookUp(ASK, timeout=0.1)
        await asyncio.wait_for(cancelled.wait(), 10)
    assert caught.value.reason is Reason.DEADLINE_EXCEEDED


async def test_a_plain_caller_without_a_deadline_is_served(scripted):
    """grpcurl sets none; the call has none of its own."""
    deadlines = []

    async def look_up(request, context):
        deadlines.append(current().deadline)
        return MISS

    async with (
        running(scripted(look_up=look_up), Settings()) as (_, channel),
        grpc.aio.insecure_channel(channel.address) as plain,
    ):
        assert await CacheServiceStub(plain).LookUp(ASK) == MISS
    assert deadlines == [None]
