"""Calls in each dialect against a server: what goes out, and what comes back."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass

import msgspec
import orjson
import pytest
from aiohttp import web

from chassis.config.providers import Provider, Timeouts
from chassis.config.units import Secret
from chassis.errors import Reason, RunestoneError
from chassis.testing import FakeClock
from provider_svc.anthropic.endpoints import ENDPOINTS as OF_ANTHROPIC
from provider_svc.anthropic.provider import AnthropicProvider
from provider_svc.openai.endpoints import ENDPOINTS as OF_OPENAI
from provider_svc.openai.provider import OpenAIProvider
from provider_svc.provider import Begun, Gathered, UpstreamCall
from provider_svc.upstream import Upstream
from runestone.common.v1 import dialect_pb2 as dialects

KEY = "sk-canary"
JSON = {"content-type": "application/json"}
SSE = {"content-type": "text/event-stream"}
KINDS = {"openai": (OpenAIProvider, OF_OPENAI, "/v1"), "anthropic": (AnthropicProvider, OF_ANTHROPIC, "")}


@dataclass
class Asked:
    """One request, as it came; names of headers in small letters."""

    path: str
    headers: dict[str, str]
    body: bytes


@asynccontextmanager
async def open_provider(kind, answer, headers=JSON, *, status=200):
    """A provider of a kind whose upstream answers everything with `answer`, bytes or blocks; and what it was asked."""
    asked = []

    async def handle(request):
        asked.append(
            Asked(request.path, {name.lower(): value for name, value in request.headers.items()}, await request.read())
        )
        response = web.StreamResponse(status=status, headers={**headers, "x-request-id": "r1", "request-id": "r1"})
        await response.prepare(request)
        for block in [answer] if isinstance(answer, bytes) else answer:
            await response.write(block)
        return response

    app = web.Application()
    app.router.add_post("/{path:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    make, _, prefix = KINDS[kind]
    upstream = Upstream("p", f"http://127.0.0.1:{runner.addresses[0][1]}{prefix}", Timeouts())
    provider = make("p", Provider(name="p", kind=kind, api_key=Secret(KEY)), upstream, FakeClock())
    try:
        yield provider, asked
    finally:
        await provider.close()
        await runner.cleanup()


def call_of(dialect, *, stream=False, form=b"", content_type="", headers=None, **members):
    raw = msgspec.json.decode(orjson.dumps(members), type=dict[str, msgspec.Raw]) if not form else {}
    return UpstreamCall(
        call_id="c",
        model="theirs",
        stream=stream,
        members=raw,
        dialect=dialect,
        form=form,
        content_type=content_type,
        headers=headers or {},
    )


async def collect(provider, call):
    gathered = Gathered()
    async with asyncio.timeout(10):
        await provider.call(call, gathered)
    return gathered.steps


def body_of(chunks):
    assert all(chunk.ends[-1] == len(chunk.body) for chunk in chunks)
    return b"".join(chunk.body for chunk in chunks)


ALL = [(kind, dialect) for kind, (_, table, _) in KINDS.items() for dialect in table]


@pytest.mark.parametrize(("kind", "dialect"), ALL)
async def test_a_document_of_every_endpoint_passes_as_the_bytes_it_is(kind, dialect):
    document = b'{ "x": [1.0e0] }'
    call = call_of(dialect, model="ours", input="hello", x={"b": 1, "a": 2})
    async with open_provider(kind, document) as (provider, asked):
        begun, chunk = await collect(provider, call)
    _, table, prefix = KINDS[kind]
    assert (begun, chunk.body) == (Begun(200, "r1"), document)
    assert asked[0].path == prefix + table[dialect].path
    assert asked[0].body == b'{"model":"theirs","input":"hello","x":{"b":1,"a":2}}'
    assert asked[0].headers["content-type"] == "application/json"


@pytest.mark.parametrize(("kind", "dialect"), ALL)
async def test_every_endpoints_refusal_keeps_its_words_but_for_credentials(kind, dialect):
    for status, reason in ((400, Reason.PROVIDER_REFUSED), (401, Reason.PROVIDER_CREDENTIALS_REFUSED)):
        body = orjson.dumps({"error": {"message": f"no: {KEY}", "type": "x"}})
        async with open_provider(kind, body, status=status) as (provider, _):
            with pytest.raises(RunestoneError) as error:
                await collect(provider, call_of(dialect, model="ours"))
        assert error.value.reason is reason
        assert (KEY in error.value.message) is (status == 400)
        assert KEY not in repr(provider)


STREAMS = {
    ("openai", dialects.DIALECT_OPENAI_CHAT): b'data: {"choices":[{"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n',
    ("openai", dialects.DIALECT_OPENAI_COMPLETIONS): b'data: {"choices":[{"text":"a"}]}\n\ndata: [DONE]\n\n',
    ("openai", dialects.DIALECT_OPENAI_RESPONSES): b'data: {"type":"response.completed","response":{}}\n\n',
    ("openai", dialects.DIALECT_OPENAI_IMAGES): b'data: {"type":"image_generation.completed"}\n\n',
    ("openai", dialects.DIALECT_OPENAI_IMAGE_EDITS): b'data: {"type":"image_edit.completed"}\n\n',
    ("openai", dialects.DIALECT_OPENAI_SPEECH): b'data: {"type":"speech.audio.done"}\n\n',
    ("openai", dialects.DIALECT_OPENAI_TRANSCRIPTIONS): b'data: {"type":"transcript.text.done"}\n\n',
    ("anthropic", dialects.DIALECT_ANTHROPIC_MESSAGES): b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
}


def test_every_stream_is_tried():
    assert set(STREAMS) == {(kind, dialect) for kind, dialect in ALL if KINDS[kind][1][dialect].watch is not None}


@pytest.mark.parametrize(("kind", "dialect"), STREAMS)
async def test_a_stream_of_every_endpoint_passes_as_the_bytes_it_is(kind, dialect):
    stream = STREAMS[kind, dialect]
    async with open_provider(kind, stream, SSE) as (provider, _):
        begun, *chunks = await collect(provider, call_of(dialect, stream=True, model="ours"))
    assert (begun, body_of(chunks)) == (Begun(200, "r1"), stream)


@pytest.mark.parametrize(("kind", "dialect"), STREAMS)
async def test_a_stream_of_every_endpoint_without_its_end_is_cut(kind, dialect):
    async with open_provider(kind, b": and then nothing\n\n", SSE) as (provider, _):
        with pytest.raises(RunestoneError) as error:
            await collect(provider, call_of(dialect, stream=True, model="ours"))
    assert error.value.reason is Reason.PROVIDER_STREAM_CUT


@pytest.mark.parametrize(("kind", "dialect"), STREAMS)
@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b'{"type":"error","error":{"type":"overloaded_error"}}', Reason.PROVIDER_OVERLOADED),
        (b"{}", Reason.PROVIDER_INVALID_ANSWER),
    ],
)
async def test_a_document_is_no_stream(kind, dialect, document, reason):
    async with open_provider(kind, document) as (provider, _):
        with pytest.raises(RunestoneError) as error:
            await collect(provider, call_of(dialect, stream=True, model="ours"))
    assert error.value.reason is reason


@pytest.mark.parametrize("dialect", [dialects.DIALECT_OPENAI_CHAT, dialects.DIALECT_OPENAI_COMPLETIONS])
async def test_a_stream_of_chunks_is_asked_for_usage(dialect):
    async with open_provider("openai", b"data: [DONE]\n\n", SSE) as (provider, asked):
        await collect(provider, call_of(dialect, stream=True))
    assert orjson.loads(asked[0].body)["stream_options"] == {"include_usage": True}


async def test_no_other_stream_is_asked_for_usage():
    """It is told anyway, and the option would be refused."""
    stream = STREAMS["openai", dialects.DIALECT_OPENAI_RESPONSES]
    async with open_provider("openai", stream, SSE) as (provider, asked):
        await collect(provider, call_of(dialects.DIALECT_OPENAI_RESPONSES, stream=True, model="ours"))
    assert asked[0].body == b'{"model":"theirs"}'


async def test_audio_passes_in_blocks_under_its_own_media_type():
    sound = [bytes(range(256)) * 300, b"\n\ndata: [DONE]\n\n", b"\0" * 1000]
    async with open_provider("openai", sound, {"content-type": "audio/mpeg"}) as (provider, _):
        begun, *chunks = await collect(provider, call_of(dialects.DIALECT_OPENAI_SPEECH, input="hello"))
    assert begun == Begun(200, "r1", content_type="audio/mpeg")
    assert body_of(chunks) == b"".join(sound)
    assert all(len(chunk.ends) == 1 for chunk in chunks)


async def test_subtitles_pass_under_their_own_media_type():
    subtitles = b"1\n00:00:00,000 --> 00:00:01,000\nhello\n\n"
    async with open_provider("openai", subtitles, {"content-type": "text/plain; charset=utf-8"}) as (provider, _):
        begun, *chunks = await collect(provider, call_of(dialects.DIALECT_OPENAI_TRANSCRIPTIONS, model="x"))
    assert (begun.content_type, body_of(chunks)) == ("text/plain; charset=utf-8", subtitles)


@pytest.mark.parametrize("media_type", ["text/html", "Text/HTML; charset=utf-8", "Application/JSON"])
@pytest.mark.parametrize("dialect", [dialects.DIALECT_OPENAI_SPEECH, dialects.DIALECT_OPENAI_EMBEDDINGS])
async def test_a_page_is_no_answer(dialect, media_type):
    """What stands between here and the provider, a captive portal say, answers with HTML and status 200."""
    async with open_provider("openai", b"<html>", {"content-type": media_type}) as (provider, _):
        with pytest.raises(RunestoneError) as error:
            await collect(provider, call_of(dialect, model="x"))
    assert error.value.reason is Reason.PROVIDER_INVALID_ANSWER


async def test_a_form_goes_out_with_the_targets_model():
    form = b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\n%b\r\n--b--\r\n'
    call = call_of(
        dialects.DIALECT_OPENAI_TRANSCRIPTIONS, form=form % b"ours", content_type="multipart/form-data; boundary=b"
    )
    async with open_provider("openai", b'{"text":"hi"}') as (provider, asked):
        await collect(provider, call)
    assert asked[0].body == form % b"theirs"
    assert asked[0].headers["content-type"] == "multipart/form-data; boundary=b"


async def test_a_form_that_cannot_be_read_is_not_sent():
    call = call_of(dialects.DIALECT_OPENAI_IMAGE_EDITS, form=b"x", content_type="multipart/form-data; boundary=b")
    async with open_provider("openai", b"{}") as (provider, asked):
        with pytest.raises(RunestoneError) as error:
            await collect(provider, call)
    assert (error.value.reason, asked) == (Reason.INVALID_REQUEST, [])


@pytest.mark.parametrize(
    ("kind", "dialect", "sent"),
    [
        ("openai", dialects.DIALECT_OPENAI_CHAT, {"openai-beta": "b"}),
        ("anthropic", dialects.DIALECT_ANTHROPIC_MESSAGES, {"anthropic-version": "v", "anthropic-beta": "a,b"}),
    ],
)
async def test_a_provider_is_sent_the_headers_of_its_maker_and_no_other(kind, dialect, sent):
    """Least of all a client's credentials, or where to go."""
    others = {"authorization": "Bearer client", "x-api-key": "client", "host": "evil", "content-length": "1"}
    given = {**others, "openai-beta": "b", "anthropic-version": "v", "anthropic-beta": "a,b"}
    async with open_provider(kind, b"{}") as (provider, asked):
        await collect(provider, call_of(dialect, headers=given, model="x"))
    went = asked[0].headers
    makers = ("openai-", "anthropic-")
    assert {name: value for name, value in went.items() if name.startswith(makers)} == sent
    assert not {"client", "Bearer client", "evil", "1"} & set(went.values())


async def test_anthropics_version_is_said_where_the_client_says_none():
    async with open_provider("anthropic", b"{}") as (provider, asked):
        await collect(provider, call_of(dialects.DIALECT_ANTHROPIC_MESSAGES, model="x"))
    assert asked[0].headers["anthropic-version"] == "2023-06-01"
