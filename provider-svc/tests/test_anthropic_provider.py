"""The Anthropic provider against a server that speaks like Anthropic."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from aiohttp import web

from chassis.config.schema import Provider as ProviderSettings
from chassis.config.schema import Timeouts
from chassis.config.units import Secret
from chassis.errors import Reason, RunestoneError
from chassis.testing import FakeClock
from provider_svc.anthropic.provider import AnthropicProvider
from provider_svc.provider import Begun, Chunk, Gathered, UpstreamCall
from provider_svc.upstream import Upstream

GOLDEN = Path(__file__).parent / "golden_anthropic"
CREATED = 1_800_000_000
KEY = "sk-ant-canary"
HELLO = {"messages": [{"role": "user", "content": "Hi."}]}

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def provider_of(answer: Answer) -> AsyncIterator[AnthropicProvider]:
    """A provider whose upstream answers as `answer` does; both are gone afterwards."""
    app = web.Application()
    app.router.add_post("/v1/messages", answer)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    settings = ProviderSettings(name="claude", kind="anthropic", api_key=Secret(KEY))
    upstream = Upstream("claude", f"http://127.0.0.1:{runner.addresses[0][1]}", Timeouts())
    provider = AnthropicProvider("claude", settings, upstream, FakeClock(CREATED))
    try:
        yield provider
    finally:
        await provider.close()
        await runner.cleanup()


def call_of(*, stream: bool = False, **members: object) -> UpstreamCall:
    body = msgspec.json.encode(HELLO | members)
    raw = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    return UpstreamCall(call_id="req_1", model="claude-x", stream=stream, members=raw)


async def collect(provider: AnthropicProvider, call: UpstreamCall) -> list[Begun | Chunk]:
    gathered = Gathered()
    await provider.call(call, gathered)
    return gathered.steps


async def fail(provider: AnthropicProvider, call: UpstreamCall) -> RunestoneError:
    with pytest.raises(RunestoneError) as caught:
        await collect(provider, call)
    return caught.value


def document(name: str) -> bytes:
    return (GOLDEN / "answers" / f"{name}.messages.json").read_bytes()


def events(name: str) -> bytes:
    return (GOLDEN / "streams" / f"{name}.messages.sse").read_bytes()


async def test_unary_call_goes_out_as_anthropics_and_comes_back_as_openais():
    seen: list[tuple[dict[str, str], object]] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append((dict(request.headers), await request.json()))
        return web.Response(
            body=document("text"), content_type="application/json", headers={"request-id": "req_upstream"}
        )

    async with provider_of(answer) as provider:
        call = call_of()
        begun, chunk = await collect(provider, call)
    headers, body = seen[0]
    assert (headers["x-api-key"], headers["anthropic-version"]) == (KEY, "2023-06-01")
    assert body == {
        "model": "claude-x",
        "max_tokens": 4096,
        "stream": False,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi."}]}],
    }
    assert begun == Begun(200, "req_upstream")
    assert chunk.ends == (len(chunk.body),)
    expected = (GOLDEN / "answers" / "text.chat.json").read_bytes()
    assert msgspec.json.decode(chunk.body) == msgspec.json.decode(expected)
    assert (call.meter.usage.input_tokens, call.meter.finish_reason) == (12, "stop")


async def test_stream_comes_back_as_openais_and_its_connection_is_kept():
    ports: list[int] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        ports.append(request.transport.get_extra_info("peername")[1])
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        await response.write(events("text_with_usage"))
        return response

    async with provider_of(answer) as provider:
        for _ in range(2):
            call = call_of(stream=True, stream_options={"include_usage": True})
            begun, *chunks = await collect(provider, call)
            assert begun.upstream_status == 200
            got = b"".join(chunk.body for chunk in chunks)
            assert got == (GOLDEN / "streams" / "text_with_usage.chat.sse").read_bytes()
            assert call.meter.usage.input_tokens == 142
    assert len(set(ports)) == 1


async def test_request_that_cannot_be_translated_is_never_sent():
    async def answer(_: web.Request) -> web.Response:
        raise AssertionError("it was sent")

    async with provider_of(answer) as provider:
        error = await fail(provider, call_of(n=2))
    assert (error.reason, error.param) == (Reason.INVALID_REQUEST, "n")


@pytest.mark.parametrize(
    ("status", "kind", "reason"),
    [
        (400, "invalid_request_error", Reason.PROVIDER_REFUSED),
        (401, "authentication_error", Reason.PROVIDER_CREDENTIALS_REFUSED),
        (404, "not_found_error", Reason.PROVIDER_REFUSED),
        (429, "rate_limit_error", Reason.PROVIDER_RATE_LIMITED),
        (500, "api_error", Reason.PROVIDER_FAILED),
        (529, "overloaded_error", Reason.PROVIDER_OVERLOADED),
    ],
)
async def test_error_status_is_told_with_its_reason_and_its_hint(status, kind, reason):
    async def answer(_: web.Request) -> web.Response:
        body = {"type": "error", "error": {"type": kind, "message": "No."}, "request_id": "req_1"}
        return web.json_response(body, status=status, headers={"retry-after": "7"})

    async with provider_of(answer) as provider:
        error = await fail(provider, call_of(stream=True))
    code = "" if reason is Reason.PROVIDER_CREDENTIALS_REFUSED else kind
    assert (error.reason, error.code, error.upstream_status) == (reason, code, status)
    assert error.retry_after == 7


async def test_stream_whose_connection_ends_early_is_cut_after_what_came():
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(events("text")[:700])
        return response

    async with provider_of(answer) as provider:
        gathered = Gathered()
        with pytest.raises(RunestoneError) as caught:
            await provider.call(call_of(stream=True), gathered)
    assert caught.value.reason is Reason.PROVIDER_STREAM_CUT
    begun, *chunks = gathered.steps
    assert isinstance(begun, Begun)
    assert b'"content":""' in b"".join(chunk.body for chunk in chunks)


async def test_leaving_a_stream_early_closes_the_upstream_socket():
    left = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(events("text")[:700])
        try:
            await asyncio.sleep(60)
        finally:
            left.set()
        return response

    async with provider_of(answer) as provider:
        gathered = Gathered()
        calling = asyncio.create_task(provider.call(call_of(stream=True), gathered))
        async with asyncio.timeout(10):
            while len(gathered.steps) < 2:
                await asyncio.sleep(0.005)
        calling.cancel()
        await asyncio.gather(calling, return_exceptions=True)
        begun, chunk = gathered.steps
        assert isinstance(begun, Begun)
        assert b'"role":"assistant"' in chunk.body
        async with asyncio.timeout(10):
            await left.wait()


async def test_key_is_not_shown():
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=500)

    async with provider_of(answer) as provider:
        error = await fail(provider, call_of())
        assert KEY not in repr(provider) + repr(error)
