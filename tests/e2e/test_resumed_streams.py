"""Streams that survive their connection: read on at any worker, by official clients and by anybody who can read events."""

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import grpc
import openai
import pytest
from fake_provider import FakeProvider
from real_mesh import ACME, OTHER, Mesh, mesh_running
from streams import RESUMABLE, Piece, open_client, read

from chassis.testing import find_redis, redis_server
from runestone.introspection.v1.introspection_pb2 import GetMetricsRequest, GetStatusRequest
from runestone.introspection.v1.introspection_pb2_grpc import IntrospectionServiceStub

CHAT, RESPONSES, MESSAGES = "/v1/chat/completions", "/v1/responses", "/v1/messages"
PORTS = {"http": {"port": 0}, "admin": {"port": 0}, "websocket": {"port": 0}, "grpc": {"port": 0}}
WINDOW = 8  # seconds
SLOW = "fake/words=40,pace=20ms"
# Words are held back until it is sure what they are: its events are others than the provider's.
HIDING = {"transform": {"response": [{"redact": {"pattern": r"leaf\s{1,3}naïve", "with": "[hidden]"}}]}}
PIPELINES = {
    "hiding": ["authenticate", "validate", HIDING],
    "hiding-kept": ["authenticate", "validate", HIDING, "cache"],
}
MODELS = [
    {"name": name, "pipeline": name, "targets": [{"provider": "fake", "model": "words=60,pace=10ms"}]}
    for name in PIPELINES
]
PATIENCE = 15.0
MANY = 40


@pytest.fixture(scope="module")
def mesh() -> Iterator[Mesh]:
    edge = {**PORTS, "workers": 2, "drain": {"grace": "1s"}, "websocket": {"port": 0, "resume_window": f"{WINDOW}s"}}
    with mesh_running(
        edge=edge, mesh={"provider": {"replicas": 2}}, cache={"when": "always"}, pipelines=PIPELINES, models=MODELS
    ) as running:
        yield running


@pytest.fixture
async def fake(mesh: Mesh) -> AsyncIterator[FakeProvider]:
    async with FakeProvider(mesh.fake_port) as provider:
        yield provider


@pytest.fixture
async def client(mesh: Mesh) -> AsyncIterator[aiohttp.ClientSession]:
    async with open_client(mesh.url, ACME) as opened:
        yield opened


def ask(model: str = SLOW, content: str = "", **members: Any) -> dict[str, Any]:
    """A question that nobody has asked before, unless it is said what."""
    content = content or random.randbytes(8).hex()
    return {"model": model, "messages": [{"role": "user", "content": content}], "stream": True, **members}


async def begin(client: aiohttp.ClientSession, body: dict[str, Any], *, path: str = CHAT, most: int = 10**9) -> Piece:
    return await read(client, "POST", path, json=body, headers=RESUMABLE, most=most)


async def go_on(client: aiohttp.ClientSession, stream_id: str, after: int, *, most: int = 10**9) -> Piece:
    return await read(client, "GET", f"/v1/streams/{stream_id}", headers={"last-event-id": str(after)}, most=most)


async def steer(client: aiohttp.ClientSession, stream_id: str, word: str) -> tuple[int, dict[str, Any]]:
    async with client.post(f"/v1/streams/{stream_id}/{word}") as answer:
        return answer.status, await answer.json()


async def read_in_pieces(client: aiohttp.ClientSession, body: dict[str, Any], path: str = CHAT) -> list[Piece]:
    """The whole stream, cut at random places."""
    pieces = [await begin(client, body, path=path, most=random.randint(1, 8))]
    while not pieces[-1].is_whole:
        seen = pieces[-1].numbers[-1]
        pieces.append(await go_on(client, pieces[0].stream_id, seen, most=random.randint(1, 15)))
        assert pieces[-1].status == 200, pieces[-1].document
    return pieces


def joined(pieces: list[Piece]) -> bytes:
    """All of it. Nothing is missing and nothing came twice."""
    numbers = [number for piece in pieces for number in piece.numbers]
    assert numbers == list(range(1, len(numbers) + 1))
    return b"".join(piece.body for piece in pieces)


async def eventually(mesh: Mesh, request_id: str) -> Any:
    return await asyncio.to_thread(mesh.audit, request_id, PATIENCE)


def about(mesh: Mesh, part: str) -> str:
    """A part's metrics; none while it is away."""
    try:
        with grpc.insecure_channel(mesh.about["services"][part]) as channel:
            return IntrospectionServiceStub(channel).GetMetrics(GetMetricsRequest(), timeout=5).exposition.decode()
    except grpc.RpcError:
        return ""


def process_id(mesh: Mesh, part: str) -> int:
    with grpc.insecure_channel(mesh.about["services"][part]) as channel:
        stub = IntrospectionServiceStub(channel)
        return stub.GetStatus(GetStatusRequest(), timeout=5, wait_for_ready=True).process_id


def measure(mesh: Mesh, part: str, metric: str) -> float:
    return sum(
        float(line.rpartition(" ")[2])
        for line in about(mesh, part).splitlines()
        if line.startswith(f"runestone_{metric}")
    )


async def kill_where(mesh: Mesh, service: str, metric: str, *, how: signal.Signals = signal.SIGKILL) -> None:
    """Ends the one replica of a service that does something now, as soon as it does."""
    parts = [part for part in mesh.about["services"] if part.startswith(f"{service}-")]
    async with asyncio.timeout(PATIENCE):
        while len(busy := [part for part in parts if measure(mesh, part, metric) > 0]) != 1:
            await asyncio.sleep(0.05)
    os.kill(process_id(mesh, busy[0]), how)


@pytest.mark.parametrize(
    ("path", "members"),
    [
        (CHAT, {}),
        (RESPONSES, {"input": "hi"}),
        (MESSAGES, {"max_tokens": 100}),
        (CHAT, {"stream_options": {"include_usage": True}}),
    ],
)
async def test_what_is_cut_and_read_on_is_what_was_not_cut(
    mesh: Mesh, fake: FakeProvider, client: aiohttp.ClientSession, path: str, members: dict[str, Any]
) -> None:
    model = "claude/words=40,pace=10ms" if path == MESSAGES else "fake/words=40,pace=10ms"
    body = ask(model, **members)
    if path == RESPONSES:
        del body["messages"]
        body["input"] = random.randbytes(8).hex()
    plain = await read(client, "POST", path, json={**body}, headers={"cache-control": "no-store"})
    assert plain.is_whole and plain.numbers == [] and "x-runestone-stream" not in plain.headers
    fake.requests -= 1  # ids count requests
    pieces = await read_in_pieces(client, body, path)
    assert len(pieces) > 2
    assert joined(pieces) == plain.body
    assert fake.paths.total() == 2
    records = [await eventually(mesh, piece.headers["x-request-id"]) for piece in pieces]
    assert [record.unbilled for record in records] == [False] + [True] * (len(pieces) - 1)
    assert records[0].status == 200 and records[0].usage.output_tokens
    assert pieces[0].stream_id == pieces[0].headers["x-request-id"]


async def test_official_client_reads_a_numbered_stream(mesh: Mesh, fake: FakeProvider) -> None:
    async with openai.AsyncOpenAI(base_url=f"{mesh.url}/v1", api_key=ACME, max_retries=0) as sdk:
        stream = await sdk.chat.completions.create(**ask("fake/words=5"), extra_headers=RESUMABLE)
        chunks = [chunk async for chunk in stream]
    assert chunks[-1].choices[0].finish_reason == "stop"


async def test_official_client_reads_a_response_on(mesh: Mesh, fake: FakeProvider) -> None:
    """Of a maker that keeps no responses, too: Anthropic's."""
    async with openai.AsyncOpenAI(base_url=f"{mesh.url}/v1", api_key=ACME, max_retries=0) as sdk:
        stream = await sdk.responses.create(
            model="claude/words=30,pace=20ms", input=random.randbytes(8).hex(), stream=True, extra_headers=RESUMABLE
        )
        seen = []
        async for event in stream:
            seen.append(event)
            if len(seen) == 5:
                break
        await stream.close()
        rest = await sdk.responses.retrieve(seen[0].response.id, stream=True, starting_after=seen[-1].sequence_number)
        seen += [event async for event in rest]
    assert [event.sequence_number for event in seen] == list(range(len(seen)))
    assert seen[-1].type == "response.completed"
    assert fake.paths.total() == 1


@pytest.mark.parametrize("maker", ["fake", "claude"])
async def test_a_response_in_the_background_goes_on_without_its_client(
    mesh: Mesh, fake: FakeProvider, maker: str
) -> None:
    async with openai.AsyncOpenAI(base_url=f"{mesh.url}/v1", api_key=ACME, max_retries=0) as sdk:
        stream = await sdk.responses.create(
            model=f"{maker}/words=30,pace=20ms", input=random.randbytes(8).hex(), stream=True, background=True
        )
        first = await anext(aiter(stream))
        await stream.close()
        record = await eventually(mesh, stream.response.headers["x-request-id"])
        rest = [event async for event in await sdk.responses.retrieve(first.response.id, stream=True, starting_after=0)]
    assert record.status == 200 and record.usage.output_tokens
    assert [event.sequence_number for event in rest] == list(range(1, len(rest) + 1))
    assert rest[-1].type == "response.completed"


async def test_a_stream_goes_on_and_is_recorded_while_nobody_reads_it(
    mesh: Mesh, fake: FakeProvider, client: aiohttp.ClientSession
) -> None:
    first = await begin(client, ask(), most=3)
    record = await eventually(mesh, first.stream_id)
    assert (record.status, record.unbilled, record.cost.nano_usd > 0) == (200, False, True)
    rest = await go_on(client, first.stream_id, 3)
    assert rest.is_whole and rest.body.endswith(b"data: [DONE]\n\n")
    assert rest.numbers[0] == 4
    assert (await eventually(mesh, rest.headers["x-request-id"])).unbilled


async def test_an_answer_nobody_waited_for_is_kept(
    mesh: Mesh, fake: FakeProvider, client: aiohttp.ClientSession
) -> None:
    body = ask()
    first = await begin(client, body, most=3)
    await eventually(mesh, first.stream_id)
    async with asyncio.timeout(PATIENCE):
        while (await read(client, "POST", CHAT, json=body)).headers["x-cache"] != "HIT":
            await asyncio.sleep(0.05)
    assert fake.requests == 1


async def test_nobody_comes_back_and_the_provider_is_left(
    mesh: Mesh, fake: FakeProvider, client: aiohttp.ClientSession
) -> None:
    first = await begin(client, ask("fake/words=1000,pace=50ms"), most=3)
    exchange = await fake.exchange(1)
    async with asyncio.timeout(WINDOW + PATIENCE):
        await exchange.over.wait()
    record = await eventually(mesh, first.stream_id)
    assert (record.status, record.unbilled) == (499, False)
    gone = await go_on(client, first.stream_id, 3)
    assert gone.status in {404, 500} or b'"error"' in gone.body


async def test_a_client_that_leaves_before_it_knows_the_id_ends_the_call(
    mesh: Mesh, fake: FakeProvider, client: aiohttp.ClientSession
) -> None:
    asking = asyncio.create_task(begin(client, ask("fake/latency=60s")))
    exchange = await fake.exchange(1)
    asking.cancel()
    async with asyncio.timeout(WINDOW):
        await exchange.over.wait()


async def test_without_the_header_nothing_changes(
    mesh: Mesh, fake: FakeProvider, client: aiohttp.ClientSession
) -> None:
    first = await read(client, "POST", CHAT, json=ask("fake/words=1000,pace=20ms"), most=3)
    exchange = await fake.exchange(1)
    async with asyncio.timeout(WINDOW):
        await exchange.over.wait()
    assert (await go_on(client, first.headers["x-request-id"], 3)).status == 404


async def test_a_document_cannot_be_resumed(mesh: Mesh, fake: FakeProvider, client: aiohttp.ClientSession) -> None:
    body = {**ask("fake/words=3"), "stream": False}
    async with client.post(CHAT, json=body, headers=RESUMABLE) as answer:
        assert answer.status == 200
    assert "x-runestone-stream" not in answer.headers


async def test_another_tenant_is_told_what_of_no_stream_is_told(
    mesh: Mesh, fake: FakeProvider, client: aiohttp.ClientSession
) -> None:
    first = await begin(client, ask(), most=3)
    async with open_client(mesh.url, OTHER) as other:
        theirs = await go_on(other, first.stream_id, 3)
        nobodys = await go_on(other, "req_nobodys", 3)
        steered, _ = await steer(other, first.stream_id, "cancel")
    assert (theirs.status, nobodys.status, steered) == (404, 404, 404)
    assert theirs.document.replace(first.stream_id.encode(), b"req_nobodys") == nobodys.document
    assert (await go_on(client, first.stream_id, 3)).is_whole


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("?starting_after=x", {}),
        ("", {"last-event-id": "-1"}),
        ("?starting_after=1", {"last-event-id": "1"}),
        ("?starting_after=999", {}),
    ],
)
async def test_a_place_that_is_none_is_refused(
    mesh: Mesh, fake: FakeProvider, client: aiohttp.ClientSession, query: str, headers: dict[str, str]
) -> None:
    first = await begin(client, ask("fake/words=5"))
    refused = await read(client, "GET", f"/v1/streams/{first.stream_id}{query}", headers=headers)
    assert refused.status == 400


async def test_a_cached_stream_is_read_on_where_it_is_kept(
    mesh: Mesh, fake: FakeProvider, client: aiohttp.ClientSession
) -> None:
    body = ask("fake/words=30")
    whole = await begin(client, body)
    async with asyncio.timeout(PATIENCE):
        while (hit := await begin(client, body, most=4)).headers["x-cache"] != "HIT":  # it is kept behind the answer
            await asyncio.sleep(0.05)
    assert hit.stream_id != whole.stream_id
    rest = await go_on(client, hit.stream_id, 4)
    assert joined([hit, rest]) == whole.body
    assert rest.is_whole and rest.headers["x-cache"] == "HIT"
    assert fake.requests == 1


@pytest.mark.parametrize("pipeline", PIPELINES)
async def test_a_stream_is_read_on_through_the_pipeline_it_began_in(
    mesh: Mesh, fake: FakeProvider, client: aiohttp.ClientSession, pipeline: str
) -> None:
    """Also where the events are others than the provider's; and where they came out of the cache."""
    body = ask(pipeline)
    pieces = await read_in_pieces(client, body)
    whole = joined(pieces)
    assert b"[hidden]" in whole and "naïve".encode() not in whole
    assert fake.requests == 1
    if pipeline == "hiding":
        return
    async with asyncio.timeout(PATIENCE):
        while (hit := await begin(client, body, most=4)).headers["x-cache"] != "HIT":
            await asyncio.sleep(0.05)
    rest = await go_on(client, hit.stream_id, 4)
    assert (joined([hit, rest]), fake.requests) == (whole, 1)


async def test_calls_that_share_a_flight_are_streams_of_their_own(
    mesh: Mesh, fake: FakeProvider, client: aiohttp.ClientSession
) -> None:
    body = ask("fake/words=40,pace=20ms")
    pieces = await asyncio.gather(*(begin(client, body, most=5) for _ in range(4)))
    assert len({piece.stream_id for piece in pieces}) == 4
    rests = await asyncio.gather(*(go_on(client, piece.stream_id, 5) for piece in pieces))
    wholes = {joined([piece, rest]) for piece, rest in zip(pieces, rests, strict=True)}
    assert len(wholes) == 1 and fake.requests == 1


async def test_a_worker_that_is_killed_takes_no_stream_with_it(
    mesh: Mesh, fake: FakeProvider, client: aiohttp.ClientSession
) -> None:
    """The one that reads it to its end instead is billed for it."""
    first = await begin(client, ask("fake/words=60,pace=30ms"), most=3)
    await kill_where(mesh, "edge", "streams_detached")
    rest = await go_on(client, first.stream_id, 3)
    joined([first, rest])
    assert rest.is_whole and rest.body.endswith(b"data: [DONE]\n\n") and fake.requests == 1
    record = await eventually(mesh, rest.headers["x-request-id"])
    assert (record.unbilled, record.status) == (False, 200) and record.usage.output_tokens


async def test_what_was_read_outlives_the_service_that_read_it(
    mesh: Mesh, fake: FakeProvider, client: aiohttp.ClientSession
) -> None:
    """As far as it was copied by then; and never looks whole."""
    first = await begin(client, ask("fake/words=600,pace=20ms"), most=60)
    await kill_where(mesh, "provider", "upstream_running")
    rest = await go_on(client, first.stream_id, 3)
    assert rest.numbers == list(range(4, 4 + len(rest.numbers))) and len(rest.numbers) > 10
    assert (
        rest.events[: 60 - 3]
        == first.events[3 : 3 + min(len(rest.numbers), 60 - 3)] + rest.events[len(rest.numbers) : 60 - 3]
    )
    assert b"[DONE]" not in rest.body
    assert b'"error"' in rest.events[-1]


async def test_a_stream_is_steered_from_anywhere(mesh: Mesh, fake: FakeProvider, client: aiohttp.ClientSession) -> None:
    first = await begin(client, ask("fake/words=1000,pace=20ms"), most=3)
    exchange = await fake.exchange(1)
    for word, is_paused in (("pause", True), ("resume", False)):
        status, stands = await steer(client, first.stream_id, word)
        assert (status, stands["paused"]) == (200, is_paused)
    reading = asyncio.create_task(go_on(client, first.stream_id, 3))
    status, _ = await steer(client, first.stream_id, "cancel")
    assert status == 200
    async with asyncio.timeout(PATIENCE):
        await exchange.over.wait()
        rest = await reading
    assert b"[DONE]" not in rest.body
    assert (await eventually(mesh, first.stream_id)).status == 499


async def test_a_stream_that_is_read_slowly_by_nobody_is_not_held_back(
    mesh: Mesh, fake: FakeProvider, client: aiohttp.ClientSession
) -> None:
    """A client that stops reading and is then gone held up what it was sent; who comes back gets all of it."""
    first = await begin(client, ask("fake/words=50,repeat=400"), most=3)
    rest = await go_on(client, first.stream_id, 3)
    joined([first, rest])
    assert rest.is_whole and rest.body.endswith(b"data: [DONE]\n\n")


async def test_a_worker_that_stops_hands_its_streams_over(
    mesh: Mesh, fake: FakeProvider, client: aiohttp.ClientSession
) -> None:
    """Its client is told, comes back, and reads on; only what it reads then is billed."""
    reading = asyncio.create_task(begin(client, ask("fake/words=150,pace=20ms")))
    await fake.exchange(1)
    await kill_where(mesh, "edge", "calls_running", how=signal.SIGTERM)
    first = await reading
    assert b"the gateway is stopping" in first.events.pop()
    rest = await go_on(client, first.stream_id, first.numbers[-1])
    joined([first, rest])
    assert rest.is_whole and rest.body.endswith(b"data: [DONE]\n\n") and fake.requests == 1
    records = [await eventually(mesh, piece.headers["x-request-id"]) for piece in (first, rest)]
    assert [(record.status, record.unbilled) for record in records] == [(503, True), (200, False)]
    assert records[1].cause == first.stream_id


async def test_many_streams_are_cut_again_and_again_and_a_worker_is_killed(
    mesh: Mesh, fake: FakeProvider, client: aiohttp.ClientSession
) -> None:
    """Every one comes whole, in order, without an event twice; each was asked once, and is billed once."""
    alive = asyncio.Event()

    async def read_whole() -> list[Piece]:
        pieces = [Piece({}, 0)]
        with contextlib.suppress(aiohttp.ClientError):
            body = ask("fake/words=80,pace=30ms")
            most = random.randint(1, 10)
            await read(client, "POST", CHAT, json=body, headers=RESUMABLE, most=most, into=pieces[0])
        assert pieces[0].numbers, "it was the killed worker's to lose"
        alive.set()
        while not pieces[-1].is_whole:
            most = random.randint(5, 25) if len(pieces) < 6 else 10**9
            pieces.append(await go_on_stubbornly(client, pieces, most))
        return pieces

    async with asyncio.timeout(120):
        reading = [asyncio.create_task(read_whole()) for _ in range(MANY)]
        await alive.wait()
        os.kill(process_id(mesh, "edge-0"), signal.SIGKILL)
        results = await asyncio.gather(*reading, return_exceptions=True)
    streams = [result for result in results if not isinstance(result, BaseException)]
    lost = [result for result in results if isinstance(result, BaseException)]
    assert all("to lose" in str(one) for one in lost), lost
    assert len(streams) > MANY // 4
    for pieces in streams:
        assert joined(pieces).endswith(b"data: [DONE]\n\n")
    assert fake.requests <= MANY


async def go_on_stubbornly(client: aiohttp.ClientSession, pieces: list[Piece], most: int) -> Piece:
    """As `EventSource` does: a connection that breaks is opened again, behind the last event that came whole."""
    while True:
        seen = max(piece.numbers[-1] for piece in pieces if piece.numbers)
        piece = Piece({}, 0)
        with contextlib.suppress(aiohttp.ClientError):
            path = f"/v1/streams/{pieces[0].stream_id}"
            await read(client, "GET", path, most=most, into=piece, headers={"last-event-id": str(seen)})
            assert piece.status == 200, piece.document
        if piece.numbers or piece.is_whole:
            return piece
        await asyncio.sleep(0.05)


@pytest.mark.timeout(150)  # two meshes start
async def test_what_was_read_to_its_end_is_found_at_another_edge_by_its_copy() -> None:
    """Two whole meshes that have nothing in common but Redis: the one that read it knows the stream, the other has its copy."""
    try:
        find_redis()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    async with redis_server() as url:
        with mesh_running(cache={"store": url}) as here, mesh_running(cache={"store": url}) as there:
            async with (
                FakeProvider(here.fake_port),
                open_client(here.url, ACME) as near,
                open_client(there.url, ACME) as far,
            ):
                first = await begin(near, ask("fake/words=30"), most=3)
                await eventually(here, first.stream_id)
                whole = await go_on(near, first.stream_id, 0)
                async with asyncio.timeout(PATIENCE):
                    while not (copy := await go_on(far, first.stream_id, 3)).body.endswith(b"data: [DONE]\n\n"):
                        await asyncio.sleep(0.05)
                assert joined([first, copy]) == whole.body
            async with open_client(there.url, OTHER) as other:
                assert (await go_on(other, first.stream_id, 3)).status == 404


async def test_a_paused_stream_stops_its_provider_and_comes_whole_afterwards(
    mesh: Mesh, fake: FakeProvider, client: aiohttp.ClientSession
) -> None:
    """One that is larger than all buffers between; until it is paused, too little has passed to be given up."""
    first = await begin(client, ask("fake/words=100,repeat=600,hold=10"), most=3)
    exchange = await fake.exchange(1)
    status, _ = await steer(client, first.stream_id, "pause")
    assert status == 200
    exchange.released.set()
    reading = asyncio.create_task(go_on(client, first.stream_id, 3))
    written = await exchange.wait_still()
    assert not exchange.over.is_set() and not reading.done()
    status, stands = await steer(client, first.stream_id, "resume")
    assert (status, stands["paused"]) == (200, False)
    rest = await reading
    joined([first, rest])
    assert rest.is_whole and rest.body.endswith(b"data: [DONE]\n\n") and exchange.written > written
