"""Channels against the whole mesh: streams, whole answers, errors, control, and coming back."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest
import pytest_asyncio
import websockets
from channel_client import ChannelClient, RefusedError, connected, follow
from cutting_proxy import CuttingProxy
from fake_provider import FakeProvider
from real_mesh import ACME, LIMITED, OTHER, Mesh, mesh_running

EDGE = {
    "workers": 2,
    "http": {"port": 0, "max_body": "1MiB"},
    "admin": {"port": 0},
    "websocket": {"port": 0, "heartbeat_interval": "4s", "slow_consumer_timeout": "2s"},
    "grpc": {"port": 0},
}
LONGER_THAN_BUFFERS = "fake/huge=64KiB,repeat=1024"  # 64 MiB
TOPIC = "session:a"
ROOT = Path(__file__).parents[2]
NODE = ROOT / "tests/e2e/phoenix"


@pytest.fixture(scope="module")
def mesh() -> Iterator[Mesh]:
    with mesh_running(edge=EDGE) as running:
        yield running


@pytest_asyncio.fixture
async def fake(mesh: Mesh) -> AsyncIterator[FakeProvider]:
    async with FakeProvider(port=mesh.fake_port) as provider:
        yield provider


@pytest_asyncio.fixture
async def client(mesh: Mesh) -> AsyncIterator[ChannelClient]:
    async with connected(mesh.about["http"]["port"], ACME, ping_interval=0.5) as connected_client:
        await connected_client.join(TOPIC)
        yield connected_client


def ask(model: str, text: str = "Hello", **more: Any) -> dict[str, Any]:
    return {"request": {"model": model, "messages": [{"role": "user", "content": text}], **more}}


async def over_http(mesh: Mesh, **request: Any) -> Any:
    def post() -> Any:
        with openai.OpenAI(base_url=f"{mesh.url}/v1", api_key=ACME, max_retries=0, timeout=10) as sdk:
            return sdk.chat.completions.with_raw_response.create(**request)

    return await asyncio.to_thread(post)


async def test_stream_is_what_it_would_be_over_http_and_on_record(
    mesh: Mesh, fake: FakeProvider, client: ChannelClient
):
    stream_id = (await client.push(TOPIC, "chat:stream", ask("fake/words=20")))["stream_id"]
    complete = await client.event("stream:complete")
    followed = follow(client.frames)
    assert complete["stream_id"] == stream_id
    assert complete["seq"] == followed.last[stream_id] + 1, "[DONE] has a number and no chunk"
    assert complete["finish_reason"] == "stop"
    assert (complete["usage"]["output_tokens"], complete["cost"]) == (20, pytest.approx(47.4e-6))
    response = (await over_http(mesh, model="fake/words=20", messages=ask("")["request"]["messages"])).parse()
    assert followed.text(stream_id) == response.choices[0].message.content
    record = mesh.audit(stream_id)
    assert (record.status, record.tenant, record.usage.output_tokens) == (200, "acme", 20)
    (started,) = client.events("stream:started")
    assert (started["provider"], started["model"]) == ("fake", "words=20")


async def test_answer_that_was_given_over_http_is_a_hit_and_streams_too(
    mesh: Mesh, fake: FakeProvider, client: ChannelClient
):
    question = ask("fake/words=12", "What was asked before?", temperature=0)
    before = await over_http(mesh, **question["request"])
    assert before.headers["x-cache"] == "MISS"
    async with asyncio.timeout(10):  # it is kept behind the answer
        while (whole := await client.push(TOPIC, "chat:message", question))["runestone"]["cache"] != "HIT":
            await asyncio.sleep(0.05)
    asked = fake.requests
    assert whole["runestone"]["cost"] == 0
    stream_id = (await client.push(TOPIC, "chat:stream", question))["stream_id"]
    complete = await client.event("stream:complete")
    assert client.events("stream:started")[0]["cache"] == "HIT"
    assert follow(client.frames).text(stream_id) == before.parse().choices[0].message.content
    assert complete["cost"] == 0
    assert fake.requests == asked


async def test_whole_answer_has_the_document_and_its_cost(fake: FakeProvider, client: ChannelClient):
    answer = await client.push(TOPIC, "chat:message", ask("fake/words=5", stream=True))
    assert len(answer["choices"][0]["message"]["content"].split()) == 5
    assert answer["runestone"]["cost"] == pytest.approx(17.4e-6)
    assert answer["runestone"]["request_id"].startswith("req_")


@pytest.mark.parametrize("endpoint", ["/v1/responses", "/v1/messages"])
async def test_other_dialects_stream_their_named_events(fake: FakeProvider, client: ChannelClient, endpoint: str):
    model = "fake/words=5"
    request = {
        "/v1/responses": {"input": "Hello"},
        "/v1/messages": {"messages": ask("")["request"]["messages"], "max_tokens": 50},
    }
    asked = {"endpoint": endpoint, "request": {"model": model, **request[endpoint]}}
    stream_id = (await client.push(TOPIC, "chat:stream", asked))["stream_id"]
    await client.event("stream:complete")
    follow(client.frames)
    chunks = client.events("stream:chunk")
    assert all(chunk["event"] == chunk["chunk"]["type"] for chunk in chunks)
    assert {chunk["stream_id"] for chunk in chunks} == {stream_id}
    assert chunks[-1]["event"] in {"response.completed", "message_stop"}


async def test_errors_are_what_they_would_be_over_http(fake: FakeProvider, client: ChannelClient):
    cases = [
        (ask("nobody-knows"), 404, "model_not_found"),
        (ask("fake/words=1", temperature="hot"), 400, None),
        ({"endpoint": "/v1/nowhere", "request": {}}, 404, "unknown_url"),
        (ask("fake/status=400"), 400, None),
        (ask("nobody/m"), 502, "provider_unreachable"),
        ({"request": {"model": "fake/words=1"}}, 400, None),
    ]
    for asked, status, code in cases:
        for event in ("chat:stream", "chat:message"):
            if (asked["request"].get("model"), event) in {
                ("nobody/m", "chat:stream"),
                ("fake/status=400", "chat:stream"),
            }:
                continue  # admitted: that is the next test's
            with pytest.raises(RefusedError) as refused:
                await client.push(TOPIC, event, asked)
            assert refused.value.response["status"] == status
            assert code is None or refused.value.response["error"]["code"] == code
    assert client.events("stream:started", "stream:chunk", "stream:error") == []


async def test_provider_that_fails_after_the_call_was_admitted_is_a_stream_error(
    fake: FakeProvider, client: ChannelClient
):
    stream_id = (await client.push(TOPIC, "chat:stream", ask("fake/words=20,cut_events=5")))["stream_id"]
    error = await client.event("stream:error")
    assert (error["stream_id"], error["reason"], error["status"]) == (stream_id, "provider_stream_cut", 502)
    assert client.events("stream:complete") == []


async def test_limits_say_when_to_come_back(mesh: Mesh, fake: FakeProvider):
    async with connected(mesh.about["http"]["port"], LIMITED) as client:
        await client.join(TOPIC)
        for _ in range(2):
            await client.push(TOPIC, "chat:message", ask("fake/words=1"))
        with pytest.raises(RefusedError) as refused:
            await client.push(TOPIC, "chat:stream", ask("fake/words=1"))
        assert refused.value.response["status"] == 429
        assert 0 < refused.value.response["retry_after_ms"] <= 60_000


async def test_paused_stream_stops_the_providers_writes_goes_on_and_completes(
    fake: FakeProvider, client: ChannelClient
):
    stream_id = (await client.push(TOPIC, "chat:stream", ask(LONGER_THAN_BUFFERS)))["stream_id"]
    await client.event("stream:chunk", count=20)
    await client.push(TOPIC, "stream:control", {"stream_id": stream_id, "action": "pause"})
    seen = len(client.events("stream:chunk"))
    exchange = await fake.exchange()
    written = await exchange.wait_still()
    assert not exchange.over.is_set()
    assert len(client.events("stream:chunk")) <= seen + 1, "what was on its way when the reply was"
    await client.push(TOPIC, "stream:control", {"stream_id": stream_id, "action": "resume"})
    complete = await client.event("stream:complete")
    assert exchange.written > written
    assert complete["seq"] == follow(client.frames).last[stream_id] + 1


@pytest.mark.parametrize("is_paused", [False, True])
async def test_cancelled_stream_closes_the_providers_socket(
    mesh: Mesh, fake: FakeProvider, client: ChannelClient, is_paused: bool
):
    stream_id = (await client.push(TOPIC, "chat:stream", ask("fake/words=2000,pace=10ms")))["stream_id"]
    await client.event("stream:chunk", count=3)
    if is_paused:
        await client.push(TOPIC, "stream:control", {"stream_id": stream_id, "action": "pause"})
    await client.push(TOPIC, "stream:control", {"stream_id": stream_id, "action": "cancel"})
    await (await fake.exchange()).wait_closed(patience=3)
    assert (await client.event("stream:cancelled")) == {"stream_id": stream_id}
    assert client.events("stream:complete", "stream:error") == []
    assert mesh.audit(stream_id).status == 499


async def test_stream_that_has_just_begun_can_be_cancelled(fake: FakeProvider, client: ChannelClient):
    """Before its first event nobody may know of it yet but the connection that asked."""
    stream_id = (await client.push(TOPIC, "chat:stream", ask("fake/latency=10s")))["stream_id"]
    exchange = await fake.exchange()
    await client.push(TOPIC, "stream:control", {"stream_id": stream_id, "action": "cancel"})
    await exchange.wait_closed(patience=3)
    assert (await client.event("stream:cancelled")) == {"stream_id": stream_id}


async def test_leaving_a_topic_cancels_what_was_asked_there(fake: FakeProvider, client: ChannelClient):
    await client.push(TOPIC, "chat:stream", ask("fake/words=2000,pace=10ms"))
    await client.event("stream:chunk")
    await client.push(TOPIC, "phx_leave", {})
    await (await fake.exchange()).wait_closed(patience=3)
    assert client.frames[-1][3] == "phx_close"


async def test_stream_goes_on_behind_what_its_client_has_on_whichever_worker(mesh: Mesh, fake: FakeProvider):
    async with CuttingProxy(mesh.about["http"]["port"]) as proxy:
        frames: list[list[Any]] = []
        async with connected(proxy.port, ACME) as client:
            await client.join(TOPIC)
            stream_id = (await client.push(TOPIC, "chat:stream", ask("fake/words=150,pace=10ms")))["stream_id"]
            await client.event("stream:chunk", count=5)
            proxy.cut()
            await client.socket.wait_closed()
            frames += client.frames
        for _ in range(6):  # connections go to one worker or the other
            last = follow(frames).last[stream_id]
            async with connected(proxy.port, ACME) as client:
                await client.join(TOPIC, resume={stream_id: last})
                await client.event("stream:chunk", count=5)
                proxy.cut()
                await client.socket.wait_closed()
                frames += client.frames
        async with connected(proxy.port, ACME) as client:
            await client.join(TOPIC, resume={stream_id: follow(frames).last[stream_id]})
            complete = await client.event("stream:complete")
            frames += client.frames
    followed = follow(frames)
    assert len(followed.text(stream_id).split()) == 150
    assert complete["seq"] == followed.last[stream_id] + 1
    assert complete["usage"]["output_tokens"] == 150
    assert fake.requests == 1
    assert mesh.audit(stream_id).status == 200
    resumed = [one for one in mesh.audit_records(tenant="acme") if one.endpoint == "/v1/streams/{id}"]
    assert all(one.unbilled for one in resumed), "one call pays for it"


async def test_other_tenants_streams_are_not_found_in_the_same_words(
    mesh: Mesh, fake: FakeProvider, client: ChannelClient
):
    stream_id = (await client.push(TOPIC, "chat:stream", ask("fake/words=300,pace=10ms")))["stream_id"]
    await client.event("stream:chunk")
    unknown = stream_id[:-4] + "0000"
    async with connected(mesh.about["http"]["port"], OTHER) as other:
        await other.join(TOPIC, resume={stream_id: 0, unknown: 0})
        errors = await other.event("stream:error", count=2)
        said = {error.pop("stream_id"): error for error in errors}
        assert str(said[stream_id]).replace(stream_id, "") == str(said[unknown]).replace(unknown, "")
        assert said[stream_id]["status"] == 404
        refusals = []
        for probed in (stream_id, unknown):
            with pytest.raises(RefusedError) as refused:
                await other.push(TOPIC, "stream:control", {"stream_id": probed, "action": "cancel"})
            refusals.append(str(refused.value.response).replace(probed, ""))
        assert refusals[0] == refusals[1]
        assert "not_found" in refusals[0]
    assert not (await fake.exchange()).over.is_set()
    await client.push(TOPIC, "stream:control", {"stream_id": stream_id, "action": "cancel"})


async def test_client_that_is_silent_is_closed_and_one_with_heartbeats_is_not(mesh: Mesh):
    port = mesh.about["http"]["port"]
    async with connected(port, ACME, ping_interval=None) as silent, connected(port, ACME, ping_interval=None) as alive:
        async with asyncio.timeout(20):
            while silent.socket.close_code is None:
                await alive.push("phoenix", "heartbeat", {})
                await asyncio.sleep(0.1)
        assert silent.socket.close_code == 1001
        assert await alive.push("phoenix", "heartbeat", {}) == {}


async def test_what_is_asked_is_part_of_the_trace_that_the_join_named(mesh: Mesh, fake: FakeProvider) -> None:
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    async with connected(mesh.about["http"]["port"], ACME) as client:
        await client.join(TOPIC, traceparent=f"00-{trace_id}-b7ad6b7169203331-01")
        answer = await client.push(TOPIC, "chat:message", ask("fake/words=1"))
    assert trace_id in mesh.audit(answer["runestone"]["request_id"]).traceparent
    assert trace_id in (await fake.exchange()).headers.get("traceparent", trace_id)


async def test_client_that_does_not_read_holds_the_provider_back_is_closed_and_comes_back(
    mesh: Mesh, fake: FakeProvider
) -> None:
    port = mesh.about["http"]["port"]
    async with connected(port, ACME) as client:
        await client.join(TOPIC)
        stream_id = (await client.push(TOPIC, "chat:stream", ask(LONGER_THAN_BUFFERS)))["stream_id"]
        await client.event("stream:chunk", count=3)
        client.socket.transport.pause_reading()
        exchange = await fake.exchange()
        await exchange.wait_still()
        assert not exchange.over.is_set()
        await wait_until_closed(mesh)
        client.socket.transport.resume_reading()
        await client.socket.wait_closed()
        frames = client.frames
    async with connected(port, ACME) as client:
        await client.join(TOPIC, resume={stream_id: follow(frames).last[stream_id]})
        await client.event("stream:complete")
        assert len(follow(frames + client.frames).chunks[stream_id]) > 1024
    assert fake.requests == 1


async def wait_until_closed(mesh: Mesh) -> None:
    """Until an edge says that it closed a socket with 1013."""
    async with asyncio.timeout(20), aiohttp.ClientSession() as session:
        while True:
            async with session.get(f"{mesh.admin_url}/metrics") as answer:
                if 'code="1013"' in await answer.text():
                    return
            await asyncio.sleep(0.05)


async def test_what_is_no_frame_is_closed_with_a_reason(mesh: Mesh, client: ChannelClient):
    await client.socket.send("{}")
    await client.socket.wait_closed()
    assert (client.socket.close_code, client.socket.close_reason) == (
        1008, "a frame is [join_ref, ref, topic, event, payload]",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ('["1","2","session:a","e",' + "[" * 200_000, 1008),
        ('["1","2","session:a","chat:message",{"request":{"model":"\\ud800"}}]', 1008),
        ('["1","2","session:a","chat:message",{"request":NaN}]', 1008),
        (f'["1","2","session:{"a" * 300}","phx_join",{{}}]', 1008),
        (b"\x00\xff\xff\xff\xffshort", 1008),
        (b"", 1008),
    ],
)
async def test_frames_that_are_meant_to_hurt_close_their_connection_alone(
    mesh: Mesh, fake: FakeProvider, client: ChannelClient, message: str | bytes, code: int
) -> None:
    async with connected(mesh.about["http"]["port"], ACME) as other:
        await other.join(TOPIC)
        await client.socket.send(message)
        await client.socket.wait_closed()
        assert client.socket.close_code == code
        assert (await other.push(TOPIC, "chat:message", ask("fake/words=1")))["choices"]


@pytest.mark.parametrize(
    "request_body",
    [
        '{"model":"fake/words=1","model":"fake/words=2","messages":[]}',
        '{"model":"fake/words=1","messages":' + "[" * 150 + "]" * 150 + "}",
        '{"model":"fake/words=1","messages":[{"role":"user","content":"' + "x" * 2_000_000 + '"}]}',
        "[]",
        "null",
    ],
    ids=["twice", "deep", "huge", "list", "null"],
)
async def test_questions_that_are_meant_to_hurt_are_refused(client: ChannelClient, request_body: str) -> None:
    for event in ("chat:stream", "chat:message"):
        await client.socket.send(f'["1","{event}","{TOPIC}","{event}",{{"request":{request_body}}}]')
        with pytest.raises(RefusedError) as refused:
            await client.answer(event)
        assert refused.value.response["status"] in {400, 413}


async def test_other_versions_are_refused_at_the_handshake(mesh: Mesh):
    for query in ("", "?vsn=1.0.0"):
        address = f"ws://127.0.0.1:{mesh.about['http']['port']}/socket/websocket{query}"
        with pytest.raises(websockets.InvalidStatus) as refused:
            await websockets.connect(address, additional_headers={"authorization": f"Bearer {ACME}"})
        assert refused.value.response.status_code == 403
        assert b"vsn=2.0.0" in refused.value.response.body


async def test_examples_of_the_documentation_run_as_they_stand(mesh: Mesh) -> None:
    text = (ROOT / "docs/channels.md").read_text().replace("127.0.0.1:4003", f"127.0.0.1:{mesh.about['http']['port']}")
    (script,) = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    key = 'open(".runestone/development.key").read()'
    assert key in script
    said = await run_script([sys.executable, "-"], script.replace(key, repr(ACME)))
    assert "stream:started" in said and "stream:complete" in said.splitlines()[-1]


@pytest.mark.skipif(not (NODE / "node_modules").exists(), reason="node and npm are needed, and `make node`")
async def test_example_of_a_page_runs_as_it_stands(mesh: Mesh) -> None:
    text = (ROOT / "docs/channels.md").read_text().replace("127.0.0.1:4003", f"127.0.0.1:{mesh.about['http']['port']}")
    (script,) = re.findall(r"^```js\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    around = f"""
        import WebSocket from "ws"
        const key = {ACME!r}, show = text => process.stdout.write(text)
        const page = setInterval(() => Object.keys(positions).length || started && process.exit(0), 10)
        let started = false
        {script.replace("{params:", "{transport: WebSocket, params:")}
        channel.on("stream:complete", () => {{ started = true }})
    """
    said = await run_script(["node", "--input-type=module"], around)
    assert "it is req_" in said and len(said.split()) > 5


async def run_script(command: list[str], script: str) -> str:
    """What a script says that is read from standard input; in the folder of the JavaScript client."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe, cwd=NODE)
    try:
        async with asyncio.timeout(20):
            said, complaints = await process.communicate(script.encode())
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0, complaints.decode()
    return said.decode()
