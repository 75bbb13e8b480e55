"""Envoy with gateways that misbehave behind it: what it says itself, and what it sends a second time. No mesh: gateways are sockets here."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace

import grpc
import openai
import pytest
from envoy_stage import LOOPBACK, Envoy, answer, ask, envoy_running, gateways, vanish

from launcher.envoy.endpoints import Endpoint


@pytest.fixture(scope="module")
def envoy() -> Iterator[Envoy]:
    with envoy_running() as running:
        yield running


async def test_without_a_gateway_it_says_when_to_come_back_in_openais_shape(envoy: Envoy) -> None:
    said = await ask(envoy)
    assert (said.status_code, said.headers["content-type"]) == (503, "application/json")
    assert said.json()["error"] | {"message": ""} == {
        "message": "",
        "type": "server_error",
        "param": None,
        "code": "unavailable",
    }
    assert (said.headers["retry-after"], said.headers["x-should-retry"]) == ("1", "true")
    assert said.headers["x-request-id"]


async def test_openais_sdk_reads_what_envoy_says(envoy: Envoy) -> None:
    async with openai.AsyncOpenAI(base_url=f"{envoy.url}/v1", api_key="any", max_retries=0) as client:
        with pytest.raises(openai.InternalServerError) as caught:
            await client.models.list()
    assert (caught.value.code, caught.value.type) == ("unavailable", "server_error")


async def test_what_no_gateway_has_seen_goes_to_another(envoy: Envoy) -> None:
    """Half of the gateways are gone and Envoy does not know it yet: no call fails, none is sent twice."""
    async with gateways(envoy, answer, answer, dead=2) as (first, second):
        statuses = [(await ask(envoy)).status_code for _ in range(30)]
    assert statuses == [200] * 30
    assert first.asked + second.asked == 30


async def test_what_a_gateway_may_have_begun_is_never_sent_again(envoy: Envoy) -> None:
    """It was asked, and its connection broke: whether it has called a provider, nobody can say."""
    async with gateways(envoy, vanish, vanish) as (first, second):
        said = await ask(envoy)
    assert first.asked + second.asked == 1
    assert (said.status_code, said.json()["error"]["code"]) == (503, "connection_lost")
    assert "x-should-retry" not in said.headers


async def test_an_error_of_a_gateways_is_an_answer_and_no_reason_to_ask_another(envoy: Envoy) -> None:
    async def refuse(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 503 Service Unavailable\r\nx-should-retry: true\r\ncontent-length: 4\r\n\r\nours")

    async with gateways(envoy, refuse, refuse) as (first, second):
        statuses = [await ask(envoy) for _ in range(20)]
        assert [(said.status_code, said.text) for said in statuses] == [(503, "ours")] * 20
        assert first.asked + second.asked == 20
        assert await envoy.stat("cluster.edge.membership_healthy") == 2, "an answer of 503 ejects nobody"


async def test_a_gateway_that_is_not_ready_gets_no_call(envoy: Envoy) -> None:
    """Noticed within about a second of its word: `edge.drain.delay` has to be longer."""
    async with gateways(envoy, answer, answer) as (first, second):
        first.is_ready = False
        await envoy.wait_for_members("edge", 1)

        async def gets_none() -> bool:
            before = first.asked
            assert [(await ask(envoy)).status_code for _ in range(20)] == [200] * 20
            return first.asked == before

        await envoy.wait_for(gets_none)
    assert second.asked >= 20


async def test_headers_and_bytes_pass_as_they_are(envoy: Envoy) -> None:
    body = b"data: 1\n\n: ping\n\ndata: [DONE]\n\n"

    async def stream(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(
            b"HTTP/1.1 200 OK\r\nx-request-id: req_ours\r\nserver-timing: a;dur=1\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        for byte in body:
            writer.write(b"1\r\n" + bytes([byte]) + b"\r\n")
        writer.write(b"0\r\n\r\n")

    async with gateways(envoy, stream) as (gateway,):
        said = await ask(envoy, headers={"x-request-id": "the-clients-own", "traceparent": "00-1-2-01"})
    assert said.content == body
    assert (said.headers["x-request-id"], said.headers["server-timing"]) == ("req_ours", "a;dur=1")
    assert b"x-request-id: the-clients-own" in gateway.heads[0]
    assert b"traceparent: 00-1-2-01" in gateway.heads[0]
    assert b"x-forwarded-for: " in gateway.heads[0]
    assert b"x-envoy" not in gateway.heads[0]


class Limiter(grpc.GenericRpcHandler):
    """Envoy's rate limit service as bytes: the second question and all after it are over the limit."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        if details.method != "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit":
            return None

        async def decide(request: bytes, _context: object) -> bytes:
            self.asked.append(request)
            return b"\x08\x01" if len(self.asked) == 1 else b"\x08\x02"  # overall_code: OK, OVER_LIMIT

        return grpc.unary_unary_rpc_method_handler(decide)


async def test_who_comes_too_often_is_told_so_in_openais_shape_and_reaches_no_gateway() -> None:
    limiter = Limiter()
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((limiter,))
    port = server.add_insecure_port(f"{LOOPBACK}:0")
    await server.start()
    with envoy_running(lambda site: replace(site, rate_limits=100)) as envoy:
        envoy.tell(ratelimit=[Endpoint(host=LOOPBACK, port=port)])
        async with gateways(envoy, answer) as (gateway,):
            said = [await ask(envoy) for _ in range(3)]
    await server.stop(None)
    assert [one.status_code for one in said] == [200, 429, 429]
    assert said[1].json()["error"]["code"] == "rate_limit_exceeded"
    assert (said[1].headers["x-should-retry"], said[1].headers["retry-after"]) == ("true", "1")
    assert gateway.asked == 1
    assert b"runestone-edge" in limiter.asked[0]
    assert b"remote_address" in limiter.asked[0]
    assert b"127.0.0.1" in limiter.asked[0]


async def test_while_the_limiter_is_away_calls_pass() -> None:
    with envoy_running(lambda site: replace(site, rate_limits=100)) as envoy:
        async with gateways(envoy, answer):
            assert (await ask(envoy)).status_code == 200


async def test_plain_requests_can_be_sent_to_https(envoy: Envoy) -> None:
    with envoy_running(lambda site: replace(site, redirects=100)) as strict:
        said = await ask(strict)
    assert said.status_code == 308
    assert said.headers["location"].startswith("https://")
    assert json.loads((await ask(envoy)).content)["error"]["code"] == "unavailable"
