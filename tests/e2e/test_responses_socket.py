"""OpenAI's Responses over a WebSocket, as the official SDK speaks it, through a whole mesh."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import openai
import pytest
import websockets
from fake_provider import FakeProvider
from openai.lib.responses_websocket import AsyncResponsesWebSocketSession, ResponsesWebSocketLimits
from real_mesh import ACME, LIMITED, LONE, OTHER, PRICES, Mesh, mesh_running
from socket_stage import until

from chassis.testing import free_port
from runestone.introspection.v1.introspection_pb2 import GetMetricsRequest
from runestone.introspection.v1.introspection_pb2_grpc import IntrospectionServiceStub

MODEL = "gpt/words=3"
LANES = ResponsesWebSocketLimits(
    max_lanes=8, max_events_per_lane=1000, max_events=1000, max_bytes_per_lane=1 << 20, max_bytes=1 << 20
)


@pytest.fixture(scope="module")
def place() -> Iterator[tuple[Mesh, int]]:
    """Two workers, so that a client whose worker stops finds another; and a provider that speaks Responses itself."""
    port = free_port()
    gpt = {
        "name": "gpt",
        "kind": "openai",
        "base_url": f"http://127.0.0.1:{port}/v1",
        "api_key": "upstream-secret",
        "prices": PRICES,
        **LONE,
    }
    edge = {
        "workers": 2,
        "http": {"port": 0},
        "admin": {"port": 0},
        "websocket": {"port": 0, "max_streams": 4},
        "grpc": {"port": 0},
    }
    providers = [gpt, {"name": "sim", "kind": "simulated"}]
    with mesh_running(edge=edge, providers=providers, models=[]) as mesh:
        yield mesh, port


@pytest.fixture
async def fake(place: tuple[Mesh, int]) -> AsyncIterator[FakeProvider]:
    async with FakeProvider(place[1]) as fake:
        yield fake


@pytest.fixture
def mesh(place: tuple[Mesh, int], fake: FakeProvider) -> Mesh:
    return place[0]


@pytest.fixture(params=["http", "websocket"])
def base_url(request: pytest.FixtureRequest, mesh: Mesh) -> str:
    """Either port will do."""
    address = mesh.about[request.param]
    return f"http://{address['host']}:{address['port']}/v1"


@pytest.fixture
async def gpt(base_url: str) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=base_url, api_key=ACME, max_retries=0) as client:
        yield client


async def take_turn(connection: Any, **members: Any) -> list[Any]:
    """Asks, and reads to the turn's last event."""
    await connection.response.create(**{"model": MODEL, "input": "hello", **members})
    return await read_turn(connection)


async def read_turn(connection: Any) -> list[Any]:
    events = []
    while not events or events[-1].type not in {"response.completed", "error"}:
        events.append(await connection.recv())
    return events


async def test_a_turn_is_what_it_is_over_http(gpt: openai.AsyncOpenAI, mesh: Mesh, base_url: str) -> None:
    """Event for event; and it is on record as any call."""
    asked: Any = {"model": f"sim/words={3 if base_url.startswith(mesh.url) else 4}", "input": "hello"}
    async with openai.AsyncOpenAI(base_url=f"{mesh.url}/v1", api_key=ACME) as over_http:
        expected = [event.type async for event in await over_http.responses.create(stream=True, **asked)]
    async with gpt.responses.connect() as connection:
        events = await take_turn(connection, **asked)
    assert [event.type for event in events] == expected
    assert [event.sequence_number for event in events] == list(range(len(events)))
    await until(lambda: len(mesh.audit_records(tenant="acme", model=asked["model"])) == 2)
    one, other = mesh.audit_records(tenant="acme", model=asked["model"])
    assert (one.endpoint, one.usage) == (other.endpoint, other.usage)


async def test_turns_follow_each_other_on_one_connection(gpt: openai.AsyncOpenAI, fake: FakeProvider) -> None:
    async with gpt.responses.connect() as connection:
        first = (await take_turn(connection))[-1].response
        second = (await take_turn(connection, previous_response_id=first.id))[-1].response
    assert (first.output_text, second.previous_response_id) == ("rain ström 水", first.id)
    asked = fake.exchanges[-1]
    assert (asked.path, asked.document["stream"]) == ("/v1/responses", True)
    assert {"type", "stream_id"}.isdisjoint(asked.document)


async def test_a_refused_turn_is_an_error_event_and_the_connection_goes_on(gpt: openai.AsyncOpenAI) -> None:
    async with gpt.responses.connect() as connection:
        (error,) = await take_turn(connection, model="nobody/has-it")
        assert (error.type, error.status, error.error.code) == ("error", 404, "model_not_found")
        (error,) = await take_turn(connection, previous_response_id="resp_of_nobody")
        assert (error.status, error.error.code) == (400, "previous_response_not_found")
        (error,) = await take_turn(connection, model="gpt/status=429,retry_after_ms=1500")
        assert (error.status, 0 < int(error.error.headers["retry-after-ms"]) <= 1500) == (429, True)
        assert (await take_turn(connection))[-1].type == "response.completed"


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ("nonsense", None),
        ('{"type": "response.create", "model": "sim/x", "model": "sim/y"}', None),
        ('{"type": "session.update"}', "type"),
        ('{"type": "response.create", "stream_id": "a b"}', "stream_id"),
        ('{"type": "response.create", "background": true}', "background"),
        ('{"type": "response.create", "generate": false}', "generate"),
        ('{"type": "response.create", "model": "sim/x", "input": 7}', "input"),
    ],
)
async def test_bad_input_gets_a_clear_error(gpt: openai.AsyncOpenAI, message: str, param: str | None) -> None:
    async with gpt.responses.connect() as connection:
        await connection.send_raw(message)
        (error,) = await read_turn(connection)
    assert (error.status, error.error.type, error.error.param) == (400, "invalid_request_error", param)


async def test_steering_is_declined_with_the_input_given_back(gpt: openai.AsyncOpenAI) -> None:
    async with gpt.responses.connect() as connection:
        await connection.response.steer(previous_response_id="resp_1", input="faster")
        event = await connection.recv()
    assert (event.type, event.error.code) == ("response.steer.failed", "steering_not_supported")
    assert (event.steer.input, event.steer.previous_response_id) == ("faster", "resp_1")


async def test_lanes_run_side_by_side_and_each_in_order(gpt: openai.AsyncOpenAI, fake: FakeProvider) -> None:
    """A slow turn in one lane holds up its own lane only: the second waits for the first, and the other lane for neither."""
    async with (
        gpt.responses.connect() as connection,
        AsyncResponsesWebSocketSession(connection, limits=LANES) as session,
    ):
        slow, quick = session.lane("slow"), session.lane("quick")
        await slow.send({"type": "response.create", "model": "gpt/hang=headers", "input": "hi"})
        await fake.exchange(1)
        await quick.send({"type": "response.create", "model": MODEL, "input": "hi"})
        assert (await quick.get_final_response()).output_text == "rain ström 水"
        assert fake.requests == 2


async def test_a_connection_is_bounded_in_what_runs_and_waits(gpt: openai.AsyncOpenAI, fake: FakeProvider) -> None:
    async with gpt.responses.connect() as connection:
        for lane in "abcd":
            await connection.response.create(model="gpt/hang=headers", input="hi", stream_id=lane)
        await fake.exchange(4)
        (error,) = await take_turn(connection, stream_id="e")
        assert (error.status, error.error.code, error.stream_id) == (429, "too_many_responses", "e")


async def test_who_leaves_cancels_what_runs_down_to_the_provider(gpt: openai.AsyncOpenAI, fake: FakeProvider) -> None:
    async with gpt.responses.connect() as connection:
        await connection.response.create(model="gpt/hang=body", input="hi")
        assert (await connection.recv()).type == "response.created"
    exchange = await fake.exchange(1)
    async with asyncio.timeout(10):
        await exchange.closed_early.wait()


async def test_a_cut_stream_never_looks_complete(gpt: openai.AsyncOpenAI) -> None:
    async with gpt.responses.connect() as connection:
        events = await take_turn(connection, model="gpt/words=50,cut_events=6")
    assert (events[-1].type, events[-1].error.code) == ("error", "provider_stream_cut")
    assert events[-1].sequence_number == events[-2].sequence_number + 1
    assert "response.completed" not in [event.type for event in events]


async def test_limits_hold_as_over_http(base_url: str) -> None:
    async with openai.AsyncOpenAI(base_url=base_url, api_key=LIMITED, max_retries=0) as client:
        async with client.responses.connect() as connection:
            ends = [(await take_turn(connection, model="sim/words=1"))[-1] for _ in range(3)]
    assert [end.type for end in ends][-1] == "error"
    assert ends[-1].status == 429


async def test_another_tenants_response_is_not_there(gpt: openai.AsyncOpenAI, base_url: str) -> None:
    async with gpt.responses.connect() as connection:
        made = (await take_turn(connection))[-1].response
    async with openai.AsyncOpenAI(base_url=base_url, api_key=OTHER, max_retries=0) as other:
        async with other.responses.connect() as connection:
            (error,) = await take_turn(connection, previous_response_id=made.id)
    assert error.error.code == "previous_response_not_found"


async def test_a_handshake_without_a_good_key_is_refused(base_url: str) -> None:
    url = base_url.replace("http://", "ws://") + "/responses"
    for headers, status in (({}, 401), ({"authorization": "Bearer wrong-key-0123456789"}, 401)):
        with pytest.raises(websockets.InvalidStatus) as refused:
            await websockets.connect(url, additional_headers=headers)
        assert refused.value.response.status_code == status
        assert json.loads(refused.value.response.body)["error"]["type"] == "authentication_error"


async def test_a_client_of_a_worker_that_stops_goes_on_at_another(
    gpt: openai.AsyncOpenAI, mesh: Mesh, fake: FakeProvider
) -> None:
    """The turn that runs is answered whole; then the socket is closed with 1012, and the SDK connects again by itself and goes on with
    what it has."""
    seen: list[int] = []
    connecting = gpt.responses.connect(on_reconnecting=lambda event: seen.append(event.close_code))
    async with connecting as connection:
        first = (await take_turn(connection))[-1].response
        await connection.response.create(model="gpt/words=40,pace=25ms", input="hi")
        events: list[Any] = []
        reading = asyncio.create_task(keep(connection, events))
        await until(lambda: events)
        os.kill(await worker_with_sockets(mesh), signal.SIGTERM)
        await until(lambda: seen)
        assert [event.type for event in events].count("response.output_text.delta") == 40
        assert events[-1].type == "response.completed"
        events.clear()
        await connection.response.create(model=MODEL, input="again", previous_response_id=first.id)
        await until(lambda: events and events[-1].type == "response.completed")
        reading.cancel()
    assert events[-1].response.previous_response_id == first.id
    assert seen == [1012]


async def keep(connection: Any, events: list[Any]) -> None:
    async for event in connection:
        events.append(event)


async def worker_with_sockets(mesh: Mesh) -> int:
    """The process id of the worker that the one open socket is at."""
    services = mesh.about["services"]
    for name in ("edge-0", "edge-1"):
        async with grpc.aio.insecure_channel(services[name]) as channel:
            stub = IntrospectionServiceStub(channel)
            answer = await stub.GetMetrics(GetMetricsRequest(), timeout=5)
        lines = answer.exposition.decode().splitlines()
        if any(line.startswith("runestone_sockets_open{") and line.endswith(" 1.0") for line in lines):
            return answer.process_id
    raise AssertionError("no worker has the socket")
