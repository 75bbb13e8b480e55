"""Clients in front of Envoy, behind which each part is a container: TLS, both SDKs, sockets, and what replicas share."""

import asyncio
import ssl
import uuid
from collections import Counter
from typing import Any

import aiohttp
import anthropic
import httpx
import openai
from fake_provider import FakeProvider
from real_mesh import ACME

import runestone_client
from containers.configuration import CROWDED_LIMIT, CROWDS
from containers.mesh import AUTH, ContainerMesh
from containers.recipes import ADMIN

CHAT = "/v1/chat/completions"


def question(**members: Any) -> dict[str, Any]:
    """One that nobody has asked before."""
    return {"model": "simulated", "messages": [{"role": "user", "content": uuid.uuid4().hex}], **members}


def trust(mesh: ContainerMesh) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=mesh.ca)


async def test_official_clients_are_answered_over_tls(mesh: ContainerMesh) -> None:
    async with FakeProvider(mesh.fake_port):
        trusting = openai.DefaultAsyncHttpxClient(verify=trust(mesh))
        async with openai.AsyncOpenAI(base_url=f"{mesh.secure_url}/v1", api_key=ACME, http_client=trusting) as gpt:
            answer = await gpt.chat.completions.create(**question(model="fake/say=all is well"))
        assert answer.choices[0].message.content == "all is well"
        trusting = anthropic.DefaultAsyncHttpxClient(verify=trust(mesh))
        async with anthropic.AsyncAnthropic(base_url=mesh.secure_url, api_key=ACME, http_client=trusting) as claude:
            message = await claude.messages.create(**question(model="claude/say=so it is"), max_tokens=50)
        assert message.content[0].text == "so it is"


async def test_a_stream_over_http_2_comes_event_by_event(mesh: ContainerMesh) -> None:
    """The fake waits between words: what Envoy held back would come at once."""
    async with FakeProvider(mesh.fake_port) as fake:
        async with httpx.AsyncClient(
            base_url=mesh.secure_url, verify=trust(mesh), http2=True, headers=AUTH, timeout=30
        ) as client:
            body = question(model="fake/words=2000,pace=10ms", stream=True)
            async with client.stream("POST", CHAT, json=body) as answer:
                assert answer.http_version == "HTTP/2"
                await anext(answer.aiter_bytes())
                exchange = await fake.exchange()
                assert not exchange.over.is_set(), "the first words are here before the last are written"
        await exchange.wait_closed()


async def test_what_one_edge_was_answered_is_a_hit_at_the_other(mesh: ContainerMesh) -> None:
    first, second = mesh.of("edge")
    body = question(temperature=0)
    connector = aiohttp.TCPConnector(ssl=mesh.operators_tls())
    async with aiohttp.ClientSession(headers=AUTH, connector=connector) as session:
        async with session.post(mesh.edge_url(first) + CHAT, json=body) as answer:
            assert (answer.status, answer.headers["x-cache"]) == (200, "MISS")
            said = await answer.read()
        found = "COALESCED"  # until it is kept, one shares the call that is answered
        while found == "COALESCED":
            async with session.post(mesh.edge_url(second) + CHAT, json=body) as answer:
                assert await answer.read() == said
                found = answer.headers["x-cache"]
    assert found == "HIT"


async def test_a_crowd_over_both_edges_and_both_limiters_is_never_let_over_the_limit(mesh: ContainerMesh) -> None:
    """Each call has a connection of its own, so that Envoy deals them out. On a machine that does much else a limiter may not answer in
    time, and an edge says that it limited alone: then another crowd comes."""
    for key in CROWDS:
        answers, refilled = await crowd(mesh, key)
        if not any(is_degraded for _, _, is_degraded in answers):
            break
    assert set(answers) == {(200, False, False), (429, True, False)}, answers
    assert CROWDED_LIMIT / 2 <= answers[200, False, False] <= CROWDED_LIMIT + refilled


async def crowd(mesh: ContainerMesh, key: str) -> tuple[Counter[tuple[int, bool, bool]], float]:
    """How many calls had which status, a time to come back, and a mark that a limiter was missed; and what the limit gave back meanwhile."""
    connector = aiohttp.TCPConnector(limit=10, force_close=True)
    loop = asyncio.get_running_loop()
    async with aiohttp.ClientSession(
        mesh.url, headers={"authorization": f"Bearer {key}"}, connector=connector
    ) as session:

        async def ask() -> tuple[int, bool, bool]:
            async with session.post(CHAT, json=question()) as answer:
                await answer.read()
                return answer.status, "retry-after-ms" in answer.headers, "x-runestone-degraded" in answer.headers

        began = loop.time()
        answers = Counter(await asyncio.gather(*(ask() for _ in range(CROWDED_LIMIT * 3))))
        return answers, (loop.time() - began) * CROWDED_LIMIT / 60


async def test_edges_have_their_calls_dealt_out_and_tell_of_them(mesh: ContainerMesh) -> None:
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(headers=AUTH, connector=connector) as session:
        before = [await count_calls(session, edge) for edge in mesh.of("edge")]
        for _ in range(8):
            async with session.post(mesh.url + CHAT, json=question()) as answer:
                assert answer.status == 200
        after = [await count_calls(session, edge) for edge in mesh.of("edge")]
    served = [now - then for then, now in zip(before, after, strict=True)]
    assert all(served)
    assert sum(served) == 8


async def count_calls(session: aiohttp.ClientSession, edge: Any) -> int:
    """By an edge's own metrics."""
    async with session.get(f"http://{edge.address(ADMIN)}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    return sum(int(float(line.rsplit(" ", 1)[1])) for line in lines if line.startswith("runestone_calls_total{"))


async def test_a_socket_through_envoy_speaks_channels(mesh: ContainerMesh) -> None:
    async with runestone_client.connect(mesh.url, ACME) as client, client.session() as session:
        stream = await session.stream(question(model="sim/words=30"))
        assert len((await stream.finish()).split()) == 30


async def test_each_call_is_on_record_once_whichever_replica_took_it(mesh: ContainerMesh) -> None:
    async with aiohttp.ClientSession(mesh.url, headers=AUTH) as session:
        asked = []
        for _ in range(10):
            async with session.post(CHAT, json=question()) as answer:
                asked.append(answer.headers["x-request-id"])
    for request_id in asked:
        assert (await asyncio.to_thread(mesh.audit, request_id)).status == 200
    found = await asyncio.to_thread(mesh.command, "audit", "search", "--limit", "1000")
    assert Counter(row["request_id"] for row in found if row["request_id"] in asked) == Counter(asked)
