"""A provider that fails in every known way, as the client of the whole mesh sees it."""

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import openai
import pytest
from fake_provider import FakeProvider
from real_mesh import ACME, Mesh

HELLO = [{"role": "user", "content": "Hello"}]
AUTH = {"authorization": f"Bearer {ACME}"}


@pytest.fixture
async def fake(mesh: Mesh) -> AsyncIterator[FakeProvider]:
    async with FakeProvider(mesh.fake_port) as provider:
        yield provider


def body(wish: str, *, stream: bool = False, provider: str = "fake") -> dict[str, Any]:
    return {"model": f"{provider}/{wish}", "messages": HELLO, "stream": stream}


@pytest.mark.parametrize(
    ("wish", "status", "code", "hint"),
    [
        ("status=400", 400, None, None),
        ("status=404", 404, None, None),
        ("status=422", 422, None, None),
        ("status=401", 502, "provider_credentials_refused", None),
        ("status=429,retry_after=2", 429, None, "2000"),
        ("status=429,retry_after_ms=250", 429, None, "250"),
        ("status=500", 502, None, None),
        ("status=503", 503, None, None),
        ("status=529", 503, None, None),
        ("html_503", 503, None, None),
        ("redirect", 502, None, None),
        ("garbage", 502, "provider_invalid_answer", None),
        ("html_200", 502, "provider_invalid_answer", None),
        ("error_200", 502, None, None),
        ("close", 502, "provider_unreachable", None),
        ("hang=headers", 504, "provider_timeout", None),
        ("hang=body", 504, "provider_timeout", None),
        ("cut=20", 502, None, None),
        ("lying_gzip", 502, None, None),
    ],
)
async def test_a_unary_call(
    mesh: Mesh, fake: FakeProvider, wish: str, status: int, code: str | None, hint: str | None
) -> None:
    """The status is the promised one, the body is OpenAI's, the hint is the provider's, and it was asked once."""
    async with (
        aiohttp.ClientSession(mesh.url, headers=AUTH) as session,
        session.post("/v1/chat/completions", json=body(wish)) as answer,
    ):
        document = await answer.json()
        assert answer.status == status, document
        assert set(document["error"]) == {"message", "type", "param", "code"}
        assert "<" not in document["error"]["message"]
        assert "upstream-secret" not in json.dumps(document)
        if code is not None:
            assert document["error"]["code"] == code
        assert answer.headers.get("retry-after-ms") == hint
    assert fake.requests == 1
    record = mesh.audit(answer.headers["x-request-id"])
    assert (record.status, record.provider, record.provider_model, record.attempts) == (status, "fake", wish, 1)
    assert answer.headers["x-runestone-provider"] == "fake"


@pytest.mark.parametrize("provider", ["fake", "claude"])
@pytest.mark.parametrize("wish", ["cut_events=4", "cut=400", "no_done", "garbage", "error_event=3", "hang=body"])
async def test_a_stream_that_breaks_never_looks_complete(
    mesh: Mesh, fake: FakeProvider, provider: str, wish: str
) -> None:
    """What came before is delivered, then one error event, then the end: no `[DONE]`, and the SDK raises."""
    async with aiohttp.ClientSession(mesh.url, headers=AUTH) as session:
        async with session.post("/v1/chat/completions", json=body(wish, stream=True, provider=provider)) as answer:
            text = (await answer.read()).decode()
    if answer.status == 200:
        *_, last, rest = text.split("\n\n")
        assert rest == ""
        assert json.loads(last.removeprefix("data: "))["error"]["message"]
    assert "[DONE]" not in text
    assert mesh.audit(answer.headers["x-request-id"]).status in {502, 503, 504}
    async with openai.AsyncOpenAI(base_url=f"{mesh.url}/v1", api_key=ACME, max_retries=0) as client:
        with pytest.raises(openai.APIError):
            stream = await client.chat.completions.create(model=f"{provider}/{wish}", messages=HELLO, stream=True)
            [chunk async for chunk in stream]


@pytest.mark.parametrize("provider", ["fake", "claude"])
async def test_a_good_stream_beside_them_is_whole(mesh: Mesh, fake: FakeProvider, provider: str) -> None:
    async with openai.AsyncOpenAI(base_url=f"{mesh.url}/v1", api_key=ACME, max_retries=0) as client:
        options = {"include_usage": True}
        stream = await client.chat.completions.create(
            model=f"{provider}/words=20", messages=HELLO, stream=True, stream_options=options
        )
        chunks = [chunk async for chunk in stream]
    assert chunks[-1].usage.completion_tokens > 0
    assert chunks[-2].choices[0].finish_reason == "stop"


async def test_a_provider_that_nobody_can_reach(mesh: Mesh) -> None:
    async with openai.AsyncOpenAI(base_url=f"{mesh.url}/v1", api_key=ACME, max_retries=0) as client:
        with pytest.raises(openai.InternalServerError) as failure:
            await client.chat.completions.create(model="nobody/m", messages=HELLO)
    assert (failure.value.status_code, failure.value.code) == (502, "provider_unreachable")


@pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
@pytest.mark.parametrize(
    "wish", ["latency=20s", "words=2000,drip=20,pace=20ms"], ids=["before the first byte", "in the middle"]
)
async def test_a_client_that_leaves_closes_the_providers_socket(
    mesh: Mesh, fake: FakeProvider, stream: bool, wish: str
) -> None:
    request_id = ""
    async with aiohttp.ClientSession(mesh.url, headers=AUTH) as session:
        timeout = aiohttp.ClientTimeout(total=None, sock_read=0.7)
        try:
            async with session.post("/v1/chat/completions", json=body(wish, stream=stream), timeout=timeout) as answer:
                request_id = answer.headers["x-request-id"]
                await answer.content.read(10)
        except TimeoutError:
            assert not (stream and wish.startswith("words"))
    exchange = await fake.exchange()
    await exchange.wait_closed(patience=3)
    if request_id:
        assert mesh.audit(request_id).status == 499


async def test_what_goes_upstream_is_the_clients_body_with_the_targets_name(mesh: Mesh, fake: FakeProvider) -> None:
    """Unknown members pass untouched; the client's key does not; usage is always asked for."""
    asked = {**body("words=3", stream=True), "brand_new": {"b": 1.0, "a": [None]}}
    async with (
        aiohttp.ClientSession(mesh.url, headers=AUTH) as session,
        session.post("/v1/chat/completions", json=asked) as answer,
    ):
        text = await answer.text()
    exchange = await fake.exchange()
    assert exchange.document == {**asked, "model": "words=3", "stream_options": {"include_usage": True}}
    assert exchange.headers["authorization"] == "Bearer upstream-secret"
    assert ACME not in str(exchange.headers)
    assert '"choices": []' not in text.replace('":[', '": [')
