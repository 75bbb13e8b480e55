"""Rows 3 and 14 of the fault table, for answers: a Redis that is slow costs five questions, and one that lost everything none."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from cache_svc.redis_store import RedisStore
from cache_svc.service import SERVICE
from cache_svc.store import Bounds, Entry, Labels, Selection
from chassis.breaker import Breaker
from chassis.config import Settings
from chassis.config.schema import Cache
from chassis.config.units import StoreUrl
from chassis.errors import Reason, RunestoneError
from chassis.redis import DEADLINE, RedisPool
from chassis.testing import FakeClock, free_port, redis_process, running
from runestone.cache.v1.cache_pb2 import Answer, LookUpRequest, StoreRequest
from runestone.cache.v1.cache_pb2_grpc import CacheServiceStub

PATIENT = 20.0  # seconds; more than any answer takes on a busy machine
BOUNDS = Bounds(max_entries=100, max_bytes=80_000)
ONE = b"1" * 32
THRESHOLD = 5  # failures in a row that open the breaker


class Proxy:
    """In front of a Redis: passes on what comes, or does harm. `questions` are the messages that came, and the connections."""

    def __init__(self, port):
        self._port = port
        self._hold = asyncio.Event()
        self.fault = None
        self.questions = 0

    async def serve(self, reader, writer):
        self.questions += 1
        if self.fault == "resets":
            writer.transport.abort()
            return
        redis_reader, redis_writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass_on(reader, redis_writer))
                group.create_task(self._pass_back(redis_reader, writer))
        except* OSError:
            pass
        finally:
            writer.transport.abort()
            redis_writer.transport.abort()

    async def _pass_on(self, reader, writer):
        while data := await reader.read(1 << 16):
            self.questions += 1
            if self.fault == "hangs":
                await self._hold.wait()
            elif self.fault == "resets":
                raise ConnectionResetError
            elif self.fault == "adds 100 ms":
                await asyncio.sleep(0.1)
            writer.write(data)
        raise ConnectionResetError

    async def _pass_back(self, reader, writer):
        while data := await reader.read(1 << 16):
            writer.write(data)
        raise ConnectionResetError

    def heal(self):
        self.fault = None
        self._hold.set()


@asynccontextmanager
async def proxied(port):
    proxy = Proxy(port)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    try:
        yield proxy, f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
    finally:
        proxy.heal()
        server.close()


@pytest.fixture
async def server(redis_is_there):
    async with redis_process() as server:
        yield server


async def reason_of(question):
    with pytest.raises(RunestoneError) as caught:
        await question
    assert caught.value.reason is Reason.UNAVAILABLE
    return caught.value.message


async def recover(store, clock):
    async with asyncio.timeout(PATIENT):
        while True:
            clock.advance(1)
            try:
                return await store.look_up(ONE)
            except RunestoneError:
                await asyncio.sleep(0)


@pytest.mark.parametrize("fault", ["hangs", "resets", "adds 100 ms"])
async def test_a_faulty_redis_costs_five_questions_and_then_nothing(server, fault):
    """Each of the five ends with the deadline at the latest, and no other leaves this process."""
    clock = FakeClock()
    async with proxied(server.port) as (proxy, url):
        async with (
            RedisPool(url, breaker=Breaker(clock=clock)) as pool,
            RedisPool(server.url, deadline=PATIENT) as direct,
        ):
            store = RedisStore(pool, BOUNDS)
            await RedisStore(direct, BOUNDS).keep(Entry(ONE, b"kept", 600))
            assert await recover(store, clock) == b"kept"
            proxy.fault = fault
            for _ in range(THRESHOLD):
                message = await reason_of(store.look_up(ONE))
                assert f"within {DEADLINE * 1000:.0f} ms" in message or (fault == "resets" and "failed" in message)
            asked = proxy.questions
            for question in (store.keep(Entry(ONE, b"new", 60)), store.purge(Selection(tenant="acme"))):
                assert "left alone" in await reason_of(question)
            for _ in range(100):
                assert "left alone" in await reason_of(store.look_up(ONE))
            assert proxy.questions == asked
            clock.advance(1)
            await reason_of(store.look_up(ONE))
            assert "left alone" in await reason_of(store.look_up(ONE))
            proxy.heal()
            assert await recover(store, clock) == b"kept"
            assert pool.is_up


async def test_a_redis_that_dies_costs_five_questions_and_is_found_again(redis_is_there):
    port, clock = free_port(), FakeClock()
    async with RedisPool(f"redis://127.0.0.1:{port}/0", deadline=PATIENT, breaker=Breaker(clock=clock)) as pool:
        store = RedisStore(pool, BOUNDS)
        async with redis_process(port) as server:
            assert await store.keep(Entry(ONE, b"kept", 600))
            server.kill()
            reasons = [await reason_of(store.look_up(ONE)) for _ in range(100)]
        assert sum("left alone" not in reason for reason in reasons) == THRESHOLD
        async with redis_process(port):
            assert await recover(store, clock) is None
            assert await store.keep(Entry(ONE, b"anew", 600))
            assert await store.look_up(ONE) == b"anew"


async def test_a_flushed_store_is_an_empty_one_and_no_error(client):
    """Answers and scripts are lost again and again under load: not one question fails."""
    store = RedisStore(client, BOUNDS)

    async def use(number):
        for turn in range(20):
            fingerprint = bytes([number, turn]) * 16
            assert await store.keep(Entry(fingerprint, b"body", 60, Labels("acme")))
            assert await store.look_up(fingerprint) in (b"body", None)
            if turn % 10 == number % 10:
                await store.purge(Selection(tenant="acme"))

    async def lose():
        for _ in range(10):
            for master in (await client.survey()).masters:
                await master.pipeline([("FLUSHALL",), ("SCRIPT", "FLUSH")])

    await asyncio.gather(lose(), *(use(number) for number in range(10)))
    assert await store.keep(Entry(ONE, b"after", 60))
    assert await store.look_up(ONE) == b"after"


async def test_callers_of_the_service_hear_unavailable_until_redis_is_back(redis_is_there, monkeypatch):
    monkeypatch.setattr("chassis.redis.DEADLINE", PATIENT / 4)
    port = free_port()
    settings = Settings(cache=Cache(store=StoreUrl(f"redis://127.0.0.1:{port}/0")))
    async with running(SERVICE, settings) as (runtime, channel):
        stub = CacheServiceStub(channel)
        async with redis_process(port) as server:
            async with asyncio.timeout(PATIENT):
                while not runtime.facts.is_ready:
                    await asyncio.sleep(0.01)
            await stub.Store(StoreRequest(fingerprint=ONE, answer=Answer(body=b"kept")))
            assert (await stub.LookUp(LookUpRequest(fingerprint=ONE))).hit.body == b"kept"
            server.kill()
            for _ in range(20):
                await reason_of(stub.LookUp(LookUpRequest(fingerprint=ONE)))
            assert runtime.facts.is_ready
        async with redis_process(port), asyncio.timeout(PATIENT):
            while True:
                try:
                    response = await stub.LookUp(LookUpRequest(fingerprint=ONE))
                except RunestoneError:
                    await asyncio.sleep(0.05)
                else:
                    break
            assert response.HasField("miss")
