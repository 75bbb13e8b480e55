"""Rows 2, 3, 10 and 14 of the fault table, for the cache: whatever becomes of it, and of its Redis, calls are answered."""

import asyncio
import itertools
import os
import signal
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import product
from typing import Any

import aiohttp
import grpc
import pytest
from fake_provider import FakeProvider
from real_mesh import ACME, Mesh, mesh_running

from chassis.testing import RedisProcess, find_redis, free_port, redis_process
from runestone.introspection.v1.introspection_pb2 import GetStatusRequest
from runestone.introspection.v1.introspection_pb2_grpc import IntrospectionServiceStub

AT_ONCE = 12
TURN = 4 * AT_ONCE  # calls between two faults
CROWD = 100
SHORT = "shortly"  # a pipeline whose answers are over soon, but behind the grace of provider-svc

# Names that are each other's parts, with everything that may stand between; key names are alike.
TENANTS = ("a", "a.b", "a-b", "a_b", "ab", "tenant", "key", "global")
KEYS = ("ci", "a")
APART = TENANTS[::2]  # whose keys share nothing


def process_id(address: str) -> int:
    """Of who is there, or comes up within seconds: under load it takes several to start after the last was killed."""
    with grpc.insecure_channel(address) as channel:
        status = IntrospectionServiceStub(channel).GetStatus(GetStatusRequest(), timeout=20, wait_for_ready=True)
    return status.process_id


def question(model: str = "simulated", **members: Any) -> dict[str, Any]:
    """One that was never asked before."""
    text = uuid.uuid4().hex
    return {"model": model, "messages": [{"role": "user", "content": text}], "temperature": 0, **members}


async def ask(session: aiohttp.ClientSession, body: dict[str, Any], **headers: str) -> tuple[str, bytes]:
    """What `x-cache` said, and a whole answer."""
    async with session.post("/v1/chat/completions", json=body, headers=headers) as response:
        content = await response.read()
        assert response.status == 200, content
        assert not body.get("stream") or content.endswith(b"data: [DONE]\n\n"), content[-200:]
        return response.headers["x-cache"], content


class Load:
    """Clients that ask without a pause: what is known, what nobody asked before, and streams. `outcomes` counts what `x-cache`
    said; whoever is not answered, or not wholly, ends the test."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._same = question()
        self._ended = asyncio.Condition()
        self._done = 0
        self.outcomes: Counter[str] = Counter()

    async def run(self) -> None:
        kinds: Iterator[Callable[[], dict[str, Any]]] = itertools.cycle(
            [lambda: self._same, question, lambda: question("sim/words=5,pace=4ms", stream=True)]
        )
        async with asyncio.TaskGroup() as clients:
            for _ in range(AT_ONCE):
                clients.create_task(self._ask(next(kinds)))

    async def _ask(self, make: Callable[[], dict[str, Any]]) -> None:
        while True:
            outcome, _ = await ask(self._session, make())
            self.outcomes[outcome] += 1
            async with self._ended:
                self._done += 1
                self._ended.notify_all()

    async def take_turn(self) -> None:
        """Until some more calls have been answered."""
        until = self._done + TURN
        async with self._ended:
            await self._ended.wait_for(lambda: self._done >= until)

    async def until_hit(self) -> None:
        """Until what is known is found again."""
        self.outcomes.clear()
        while not self.outcomes["HIT"]:
            await self.take_turn()


@asynccontextmanager
async def loaded(mesh: Mesh) -> AsyncIterator[Load]:
    """Under load, from before the first fault to behind the last. Raises what a call failed with."""
    connector = aiohttp.TCPConnector(limit=0)
    headers = {"authorization": f"Bearer {ACME}"}
    async with aiohttp.ClientSession(mesh.url, headers=headers, connector=connector) as session:
        load = Load(session)
        async with asyncio.timeout(50), asyncio.TaskGroup() as group:
            running = group.create_task(load.run())
            await load.until_hit()
            yield load
            running.cancel()


@pytest.fixture(scope="module")
def mesh() -> Iterator[Mesh]:
    with mesh_running() as running:
        yield running


async def test_killing_cache_svc_again_and_again_under_load_fails_no_call(mesh: Mesh) -> None:
    address = mesh.about["services"]["cache"]
    async with loaded(mesh) as load:
        for _ in range(5):
            os.kill(await asyncio.to_thread(process_id, address), signal.SIGKILL)
            await load.take_turn()
        await load.until_hit()


async def test_a_cache_svc_that_hangs_under_load_fails_no_call(mesh: Mesh) -> None:
    victim = process_id(mesh.about["services"]["cache"])
    async with loaded(mesh) as load:
        os.kill(victim, signal.SIGSTOP)
        try:
            while not load.outcomes["BYPASS"]:
                await load.take_turn()
        finally:
            os.kill(victim, signal.SIGCONT)
        await load.until_hit()


@pytest.fixture
async def redis() -> AsyncIterator[RedisProcess]:
    try:
        find_redis()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    async with redis_process(free_port()) as server:
        yield server


@pytest.mark.parametrize("sealing", [{}, {"encryption": {"master_key": "00" * 32}}], ids=["readable", "encrypted"])
async def test_whatever_redis_does_under_load_no_call_fails(redis: RedisProcess, sealing: dict[str, Any]) -> None:
    """It loses everything, the keys that answers are sealed with among it, hangs, dies, and comes back empty."""
    with mesh_running(cache={"store": redis.url, **sealing}) as mesh:
        async with loaded(mesh) as load:
            for _ in range(3):
                await redis.tell("FLUSHALL")
                await redis.tell("SCRIPT FLUSH")
                await load.take_turn()
            await load.until_hit()
            with redis.held():
                for _ in range(3):
                    await load.take_turn()
            await load.until_hit()
            redis.kill()
            for _ in range(3):
                await load.take_turn()
            async with redis_process(redis.port):
                await load.until_hit()


@pytest.fixture(scope="module")
def shared() -> Iterator[Mesh]:
    """Two edges, two replicas of cache-svc, and tenants that are hard to tell apart."""
    tenants = [
        {
            "name": name,
            "pipeline": "apart" if name in APART else "default",
            "keys": [{"name": key, "secret": secret_of(name, key)} for key in KEYS],
        }
        for name in TENANTS
    ]
    steps = ["authenticate", "validate"]
    with mesh_running(
        edge={"workers": 2, "http": {"port": 0}, "admin": {"port": 0}, "websocket": {"port": 0}, "grpc": {"port": 0}},
        mesh={"cache": {"replicas": 2}},
        tenants=[*tenants, {"name": "acme", "pipeline": SHORT, "keys": [{"name": "ci", "secret": ACME}]}],
        pipelines={SHORT: [*steps, {"cache": {"ttl": "3s"}}], "apart": [*steps, {"cache": {"scope": "key"}}]},
    ) as running:
        yield running


def secret_of(tenant: str, key: str) -> str:
    return f"{tenant}-{key}-0123456789abcdef"


async def test_no_caller_reads_anothers_answer_however_it_is_called_and_whatever_it_claims(shared: Mesh) -> None:
    """Row 10. Everybody asks the same, and says to be somebody else wherever one may say something. A namespace is a room of its
    own within that of its caller; what says nothing to the model changes nothing."""
    body = question()
    claims: list[dict[str, Any]] = [
        {},
        {"cache": {"namespace": "a"}},
        {"user": "a", "metadata": {"tenant": "a", "key": "ci"}},
    ]
    for claim, tenant, key in product(claims, TENANTS, KEYS):
        headers = {"authorization": f"Bearer {secret_of(tenant, key)}"}
        async with aiohttp.ClientSession(shared.url, headers=headers) as session:
            outcome, _ = await ask(session, body | claim)
        is_first = "user" not in claim and (key == KEYS[0] or tenant in APART)
        assert (outcome == "MISS") == is_first, (claim, tenant, key, outcome)


@pytest.mark.parametrize("purges", [1, 2, 3])
async def test_a_crowd_shares_one_call_after_a_purge_and_when_what_was_kept_is_over(shared: Mesh, purges: int) -> None:
    """At both moments all edges miss at once. Who hears of a purge from which replica first is chance, so it is tried often."""
    body = question("fake/words=5,latency=300ms")
    headers, connector = {"authorization": f"Bearer {ACME}"}, aiohttp.TCPConnector(force_close=True, limit=CROWD)
    session = aiohttp.ClientSession(shared.url, headers=headers, connector=connector)
    async with FakeProvider(shared.fake_port) as fake, session, asyncio.timeout(40):
        for _ in range(purges):
            shared.command("cache", "purge", "--tenant", "acme")
        answers = await asyncio.gather(*(ask(session, body) for _ in range(CROWD)))
        assert Counter(outcome for outcome, _ in answers)["MISS"] == fake.requests == 1
        outcomes: list[str] = []
        while outcomes[-10:] != ["HIT"] * 10:  # then both edges have copies
            outcomes.append((await ask(session, body))[0])
        while await is_kept(session, body):
            pass
        answers = await asyncio.gather(*(ask(session, body) for _ in range(CROWD)))
        assert fake.requests == 2, Counter(outcome for outcome, _ in answers)


async def is_kept(session: aiohttp.ClientSession, body: dict[str, Any]) -> bool:
    wish = {"cache-control": "only-if-cached"}
    async with session.post("/v1/chat/completions", json=body, headers=wish) as response:
        return response.status == 200
