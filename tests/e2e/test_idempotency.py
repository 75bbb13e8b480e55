"""An `Idempotency-Key` as a client sees it: over two workers of one edge, and over two edges that share a Redis."""

import asyncio
import os
import signal
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import grpc
import pytest
from fake_provider import FakeProvider
from real_mesh import ACME, OTHER, Mesh, configuration, mesh_running

from chassis.testing import find_redis, free_port, redis_server
from runestone.introspection.v1.introspection_pb2 import GetStatusRequest
from runestone.introspection.v1.introspection_pb2_grpc import IntrospectionServiceStub

IMPATIENT = "impatient-key-0123456789"
TENANTS = [
    {"name": "acme", "keys": [{"name": "ci", "secret": ACME}]},
    {"name": "other", "keys": [{"name": "ci", "secret": OTHER}]},
    {"name": "impatient", "pipeline": "no_join", "keys": [{"name": "ci", "secret": IMPATIENT}]},
]
PIPELINES = {"no_join": ["authenticate", "validate", {"idempotency": {"join": False}}, "rate_limit"]}
SECTIONS = {"tenants": TENANTS, "pipelines": PIPELINES}
BUSY = 503  # a machine that is too busy for the store's milliseconds: clients try again with the same key


@dataclass(frozen=True)
class Place:
    """Doors of one truth, and the port that their provider is expected on."""

    meshes: list[Mesh]
    provider_port: int

    def door(self, number: int) -> str:
        return self.meshes[number % len(self.meshes)].url


@contextmanager
def two_workers() -> Iterator[Place]:
    edge = {"workers": 2, "http": {"port": 0}, "admin": {"port": 0}, "websocket": {"port": 0}, "grpc": {"port": 0}}
    with mesh_running(edge=edge, **SECTIONS) as mesh:
        yield Place([mesh], mesh.fake_port)


@contextmanager
def two_edges(redis_url: str) -> Iterator[Place]:
    """Two whole meshes that have nothing in common but Redis and the provider."""
    port = free_port()
    shared = {"cache": {"store": redis_url}, "providers": configuration(port)["providers"], **SECTIONS}
    with ExitStack() as stack:
        yield Place([stack.enter_context(mesh_running(**shared)) for _ in range(2)], port)


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    try:
        find_redis()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    runner, server = asyncio.Runner(), redis_server()
    with runner:
        yield runner.run(server.__aenter__())
        runner.run(server.__aexit__(None, None, None))


@pytest.fixture(scope="module", params=["two workers, memory", "two edges, redis"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    opening = two_workers() if "memory" in request.param else two_edges(request.getfixturevalue("redis_url"))
    with opening as opened:
        yield opened


@pytest.fixture
async def fake(place: Place) -> AsyncIterator[FakeProvider]:
    async with FakeProvider(place.provider_port) as provider:
        yield provider


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def is_replay(self) -> bool:
        return self.headers.get("idempotency-replayed") == "true"


def question(wish: str, *, stream: bool = False) -> dict[str, Any]:
    return {"model": f"fake/{wish}", "messages": [{"role": "user", "content": "Hello"}], "stream": stream}


async def ask(place: Place, key: str, body: dict[str, Any], *, door: int = 0, secret: str = ACME) -> Answer:
    """Over a connection of its own, so that it may come to any worker."""
    headers = {"authorization": f"Bearer {secret}", "idempotency-key": key}
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(place.door(door), connector=connector, headers=headers) as session:
        while True:
            async with session.post("/v1/chat/completions", json=body) as response:
                content = await response.read()
                if response.status != BUSY:
                    found = {name.lower(): value for name, value in response.headers.items()}
                    return Answer(response.status, found, content)
            await asyncio.sleep(0.1)


@pytest.fixture
def key() -> str:
    return uuid.uuid4().hex


@pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
async def test_one_after_another_all_get_the_first_answer(
    place: Place, fake: FakeProvider, key: str, stream: bool
) -> None:
    first = await ask(place, key, question("words=5", stream=stream))
    others = [await ask(place, key, question("words=5", stream=stream), door=door) for door in range(8)]
    assert fake.requests == 1
    assert first.status == 200 and not first.is_replay
    for other in others:
        assert (other.status, other.is_replay, other.body) == (200, True, first.body)
        assert other.headers["content-type"].split(";")[0] == first.headers["content-type"].split(";")[0]
        assert other.headers["x-runestone-original-request-id"] == first.headers["x-request-id"]
        assert other.headers["x-request-id"] != first.headers["x-request-id"]
        assert other.headers["x-runestone-provider"] == "fake"


@pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
async def test_fifty_at_once_are_one_call_of_the_provider(
    place: Place, fake: FakeProvider, key: str, stream: bool
) -> None:
    body = question("words=5,latency=500ms,pace=20ms", stream=stream)
    answers = await asyncio.gather(*(ask(place, key, body, door=door) for door in range(50)))
    assert fake.requests == 1
    assert {answer.status for answer in answers} == {200}
    assert sum(not answer.is_replay for answer in answers) == 1
    assert len({answer.body for answer in answers}) == 1
    assert not stream or answers[0].body.endswith(b"data: [DONE]\n\n")


async def test_a_replay_is_billed_once_and_on_record_as_one(place: Place, fake: FakeProvider, key: str) -> None:
    first = await ask(place, key, question("words=5"))
    again = await ask(place, key, question("words=5"))
    mesh = place.meshes[0]
    made, replay = (mesh.audit(answer.headers["x-request-id"]) for answer in (first, again))
    assert (made.attempts, made.usage.output_tokens, made.replay_of) == (1, 5, "")
    assert (replay.attempts, replay.HasField("usage"), replay.replay_of) == (0, False, made.request_id)
    assert (replay.status, replay.provider, replay.bytes_sent) == (200, "fake", made.bytes_sent)


async def test_another_body_under_the_key_is_refused(place: Place, fake: FakeProvider, key: str) -> None:
    await ask(place, key, question("words=5"))
    other = await ask(place, key, question("words=6"), door=1)
    assert other.status == 422 and b'"code":"idempotency_key_reused"' in other.body
    assert other.headers["x-should-retry"] == "false"
    assert fake.requests == 1


async def test_another_tenant_has_keys_of_its_own(place: Place, fake: FakeProvider, key: str) -> None:
    await ask(place, key, question("words=5"))
    other = await ask(place, key, question("words=6"), secret=OTHER)
    assert other.status == 200 and not other.is_replay


async def test_without_join_who_comes_too_early_is_told_to_come_back(
    place: Place, fake: FakeProvider, key: str
) -> None:
    body = question("words=2,latency=800ms")
    first = asyncio.create_task(ask(place, key, body, secret=IMPATIENT))
    await fake.exchange(1)
    early = await ask(place, key, body, door=1, secret=IMPATIENT)
    assert early.status == 409 and b'"code":"idempotency_key_in_use"' in early.body
    assert (early.headers["retry-after-ms"], early.headers["x-should-retry"]) == ("1000", "true")
    assert (await first).status == 200
    assert (await ask(place, key, body, door=1, secret=IMPATIENT)).is_replay
    assert fake.requests == 1


@pytest.mark.parametrize(
    ("wish", "stream"),
    [("status=500", False), ("status=500", True), ("cut=20", False), ("cut_events=3", True), ("no_done", True)],
)
async def test_what_fails_or_is_cut_may_be_tried_again(
    place: Place, fake: FakeProvider, key: str, wish: str, stream: bool
) -> None:
    for door in range(2):
        answer = await ask(place, key, question(wish, stream=stream), door=door)
        assert b"[DONE]" not in answer.body and not answer.is_replay
        assert (answer.status, b'"error"' in answer.body) == (200 if wish != "status=500" and stream else 502, True)
    assert fake.requests == 2


async def test_a_client_that_leaves_cancels_the_call_and_may_come_back(
    place: Place, fake: FakeProvider, key: str
) -> None:
    body = question("words=2,latency=1s")
    leaving = asyncio.create_task(ask(place, key, body))
    exchange = await fake.exchange(1)
    leaving.cancel()
    await exchange.wait_closed()
    again = await ask(place, key, body, door=1)
    assert (again.status, again.is_replay, fake.requests) == (200, False, 2)


def process_id(address: str) -> int:
    with grpc.insecure_channel(address) as channel:
        status = IntrospectionServiceStub(channel).GetStatus(GetStatusRequest(), timeout=5, wait_for_ready=True)
        return int(status.process_id)


async def wait_until_back(addresses: list[str]) -> None:
    async with asyncio.timeout(30):
        for address in addresses:
            while True:
                try:
                    await asyncio.to_thread(process_id, address)
                    break
                except grpc.RpcError:  # what was left of the connection to the one that is gone
                    await asyncio.sleep(0.1)


async def test_the_key_of_an_edge_that_is_killed_is_free_when_its_claim_ran_out(
    place: Place, fake: FakeProvider, key: str
) -> None:
    """Who asks meanwhile, at whichever edge, waits for that, and then makes the call."""
    body = question("words=2,latency=1s")
    lost = asyncio.create_task(ask(place, key, body))
    await fake.exchange(1)
    services = place.meshes[0].about["services"]
    edges = [address for name, address in services.items() if name.startswith("edge")]
    for victim in [process_id(address) for address in edges]:
        os.kill(victim, signal.SIGKILL)
    with pytest.raises(aiohttp.ClientError):
        await lost
    await wait_until_back(edges)
    again = await ask(place, key, body, door=1)
    assert (again.status, again.is_replay, fake.requests) == (200, False, 2)
    assert (await ask(place, key, body, door=0)).is_replay
