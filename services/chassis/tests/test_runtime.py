"""Starting, crashing and stopping a service, each in its order."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chassis.client import closing
from chassis.config import Settings
from chassis.runtime import Place, start_service
from chassis.snapshots import Snapshot, SnapshotFeed, snapshot_version
from chassis.testing import running, short_directory
from runestone.cache.v1.cache_pb2 import LookUpRequest, LookUpResponse, Miss, StoreRequest, StoreResponse
from runestone.cache.v1.cache_pb2_grpc import CacheServiceStub

MISS = LookUpResponse(miss=Miss())
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@asynccontextmanager
async def noting(name: str, notes: list[str]):
    """A resource that notes when it is opened and closed."""
    notes.append(f"open {name}")
    try:
        yield name
    finally:
        notes.append(f"close {name}")


async def start(service, directory, *, listen=None):
    settings = Settings()
    place = Place(listen=listen or f"unix:{directory}/s.sock", data_dir=directory)
    return await start_service(service, place, SnapshotFeed(Snapshot(snapshot_version(settings), settings)))


async def wait_until(holds) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.001)


async def test_what_was_opened_is_closed_in_reverse_order(scripted):
    notes = []

    async def build(runtime):
        await runtime.open(noting("store", notes))
        await runtime.open(noting("index", notes))

    async with running(scripted(build=build), Settings()):
        assert notes == ["open store", "open index"]
    assert notes[2:] == ["close index", "close store"]


async def test_a_build_that_fails_closes_what_it_opened(scripted):
    notes = []

    async def build(runtime):
        await runtime.open(noting("store", notes))
        raise ConnectionError("no index")

    with short_directory() as directory, pytest.raises(ConnectionError, match="no index"):
        await start(scripted(build=build), directory)
    assert notes == ["open store", "close store"]


async def test_a_build_that_fails_ends_its_background_work(scripted):
    left = asyncio.Event()

    async def work():
        try:
            await asyncio.Event().wait()
        finally:
            left.set()

    async def build(runtime):
        runtime.spawn(work(), "work")
        await asyncio.sleep(0)
        raise ConnectionError

    with short_directory() as directory, pytest.raises(ConnectionError):
        await start(scripted(build=build), directory)
    assert left.is_set()


async def test_a_door_that_cannot_open_closes_what_was_opened(scripted):
    notes = []

    async def build(runtime):
        await runtime.open(noting("store", notes))

    with short_directory() as directory, pytest.raises(OSError, match="missing"):
        await start(scripted(build=build), directory, listen=f"unix:{directory}/missing/s.sock")
    assert notes == ["open store", "close store"]


async def test_background_work_that_crashes_makes_the_service_not_ready(scripted):
    """A service without its housekeeping looks well and is not; the fact says which part, and why."""
    asked_to_crash = asyncio.Event()

    async def work():
        await asked_to_crash.wait()
        raise OSError("the disk is full")

    async def build(runtime):
        runtime.spawn(work(), "sweep")

    async with running(scripted("cache", build=build), Settings()) as (runtime, channel):
        assert runtime.facts.is_ready
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        asked_to_crash.set()
        async with closing(watch) as answers, asyncio.timeout(10):
            async for answer in answers:
                if answer.status == NOT_SERVING:
                    break
        crashed = next(fact for fact in runtime.facts if not fact.holds)
    assert (crashed.name, crashed.detail) == ("cache:sweep", "crashed: the disk is full")


async def test_background_work_that_ends_is_no_crash(scripted):
    async def work():
        pass

    async def build(runtime):
        runtime.spawn(work(), "once")

    async with running(scripted(build=build), Settings()) as (runtime, _):
        await wait_until(lambda: runtime.facts.is_ready and not runtime._tasks)
        assert runtime.facts.is_ready


async def test_stopping_goes_from_the_outside_in(scripted):
    """Not ready first; then doors close, newest first; then running calls end; what they used is closed last."""
    notes, inside, go_on = [], asyncio.Event(), asyncio.Event()

    async def look_up(request, context):
        inside.set()
        await go_on.wait()
        notes.append("call ends")
        return MISS

    async def close_http(grace):
        notes.append(f"http door closes within {grace}, ready: {runtime.facts.is_ready}")
        go_on.set()

    async def close_websocket(grace):
        notes.append("websocket door closes")

    async def build(runtime):
        await runtime.open(noting("store", notes))
        runtime.on_stop(close_http)
        runtime.on_stop(close_websocket)

    async with running(scripted(look_up=look_up, build=build), Settings()) as (runtime, channel):
        call = asyncio.ensure_future(CacheServiceStub(channel).LookUp(LookUpRequest()))
        await asyncio.wait_for(inside.wait(), 10)
        await runtime.stop(5)
        assert await call == MISS
        first_stop = notes[:]  # `running` stops once more
    assert first_stop == [
        "open store",
        "websocket door closes",
        "http door closes within 5, ready: False",
        "call ends",
        "close store",
    ]


async def test_health_watchers_hear_of_a_stop_while_calls_still_run(scripted):
    """Balancers get the time that the doors take to close."""
    heard = asyncio.Event()

    async def wait_for_balancer(grace):
        await asyncio.wait_for(heard.wait(), 10)

    async def build(runtime):
        runtime.on_stop(wait_for_balancer)

    async with running(scripted(build=build), Settings()) as (runtime, channel):
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        async with closing(watch) as answers:
            await anext(answers)
            stopping = asyncio.ensure_future(runtime.stop(5))
            assert (await asyncio.wait_for(anext(answers), 10)).status == NOT_SERVING
            assert await CacheServiceStub(channel).LookUp(LookUpRequest()) == MISS
            heard.set()
        await stopping


async def test_a_door_that_fails_to_close_does_not_keep_the_rest_open(scripted):
    notes = []

    async def fail(grace):
        raise OSError("already closed")

    async def build(runtime):
        await runtime.open(noting("store", notes))
        runtime.on_stop(fail)

    with short_directory() as directory:
        runtime = await start(scripted(build=build), directory)
        with pytest.raises(OSError, match="already closed"):
            await runtime.stop(0)
    assert notes == ["open store", "close store"]


async def test_each_replica_of_a_peer_is_reached_by_itself(scripted):
    """And the connections are those that calls to any of them take."""

    def storing(does_store):
        async def store(request, context):
            return StoreResponse(stored=does_store)

        return running(scripted(store=store), Settings())

    async with storing(True) as (one, _), storing(False) as (other, _):
        addresses = {one.place.listen: True, other.place.listen: False}
        async with running(scripted(), Settings(), peers={"cache": ",".join(addresses)}) as (runtime, _):
            anyone, each = runtime.connect("cache", timeout=5), runtime.connect_each("cache", timeout=5).current
            answers = {address: await CacheServiceStub(each[address]).Store(StoreRequest()) for address in addresses}
            assert {address: answer.stored for address, answer in answers.items()} == addresses
            assert await CacheServiceStub(anyone).LookUp(LookUpRequest()) == MISS
