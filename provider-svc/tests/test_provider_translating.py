"""Every dialect of conversations on every provider, through the whole service: the matrix without a hole."""

import orjson
import pytest
from anthropic.types import Message
from openai.types.chat import ChatCompletion
from openai.types.responses import Response

from chassis.config import parse_settings
from provider_svc import translating
from runestone.common.v1 import dialect_pb2 as dialects
from runestone.provider.v1.provider_pb2 import CallRequest

CHAT = dialects.DIALECT_OPENAI_CHAT
RESPONSES = dialects.DIALECT_OPENAI_RESPONSES
MESSAGES = dialects.DIALECT_ANTHROPIC_MESSAGES
TURNS = [{"role": "user", "content": "hello"}]
QUESTIONS = {
    CHAT: {"messages": TURNS},
    RESPONSES: {"input": "hello"},
    MESSAGES: {"messages": TURNS, "max_tokens": 50},
}
ENDS = {CHAT: b"data: [DONE]\n\n", RESPONSES: b"event: response.completed\n", MESSAGES: b"event: message_stop\n"}
SHAPES = {CHAT: ChatCompletion, RESPONSES: Response, MESSAGES: Message}
# Mistral tells its usage unasked, with the last choice.
PROVIDERS = {"fake": "", "claude": "", "compat": "", "mistral": ",usage_on_last_choice", "sim": ""}
SPOKEN = {"fake": {CHAT, RESPONSES}, "compat": {CHAT}, "claude": {MESSAGES}}


@pytest.fixture
async def rig(open_rig, fake):
    at = f'base_url: "{fake.openai_url}", api_key: sk-canary-secret'
    settings = parse_settings(f"""
providers:
  - {{name: fake, kind: openai, {at}}}
  - {{name: compat, kind: openai_compatible, {at}}}
  - {{name: mistral, kind: openai_compatible, preset: mistral, {at}}}
  - {{name: claude, kind: anthropic, base_url: "{fake.url}", api_key: sk-canary-secret}}
  - {{name: sim, kind: simulated}}
models:
  - {{name: lax, targets: [{{provider: claude, model: words=3}}], on_loss: drop}}
  - {{name: strict, targets: [{{provider: claude, model: words=3}}]}}
""")
    async with open_rig(settings) as rig:
        yield rig


def request(model, dialect, *, stream=False, **members):
    body = {"model": "public", **QUESTIONS[dialect], **members, **({"stream": True} if stream else {})}
    return CallRequest(call_id="c", tenant="acme", dialect=dialect, model=model, stream=stream, body=orjson.dumps(body))


async def call(rig, model, dialect, **options):
    return await rig.hear(rig.stub.Call(request(model, dialect, **options), timeout=10))


@pytest.mark.parametrize("dialect", QUESTIONS)
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_document_is_what_its_dialects_sdk_reads(rig, provider, dialect):
    heard = await call(rig, f"{provider}/words=3{PROVIDERS[provider]}", dialect)
    assert heard.reason == ""
    SHAPES[dialect].model_validate_json(heard.body)
    assert heard.end.finish_reason == "stop"
    assert heard.end.usage.output_tokens == 3
    assert heard.events[0].accepted.content_type == ""


@pytest.mark.parametrize("dialect", QUESTIONS)
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_stream_ends_as_its_dialect_says_and_is_metered(rig, provider, dialect):
    heard = await call(rig, f"{provider}/words=3{PROVIDERS[provider]}", dialect, stream=True)
    assert heard.reason == ""
    assert heard.frames[-1].startswith(ENDS[dialect])
    assert heard.end.finish_reason == "stop"
    assert heard.end.usage.output_tokens == 3
    assert len(heard.frames) > 3


@pytest.mark.parametrize("dialect", QUESTIONS)
@pytest.mark.parametrize("provider", ["fake", "claude", "compat"])
@pytest.mark.parametrize("stream", [True, False])
async def test_an_answer_that_breaks_off_never_looks_whole(rig, provider, dialect, stream):
    heard = await call(rig, f"{provider}/words=9,cut=300", dialect, stream=stream)
    assert heard.reason == "PROVIDER_STREAM_CUT"
    assert not heard.frames or not heard.frames[-1].startswith(ENDS[dialect])
    is_told = stream or dialect not in SPOKEN[provider]
    assert heard.end.HasField("usage") is is_told
    assert heard.end.usage.is_estimated is is_told


@pytest.mark.parametrize("stream", [True, False])
async def test_an_answer_without_end_is_not_held_without_end(rig, monkeypatch, stream):
    """Its parts stand in memory until it is whole, and its provider may never come to that."""
    monkeypatch.setattr(translating, "MOST", 100_000)
    heard = await call(rig, "fake/words=100,repeat=100", MESSAGES, stream=stream, max_tokens=100_000)
    assert heard.reason == "PROVIDER_INVALID_ANSWER"
    assert not heard.frames or not heard.frames[-1].startswith(ENDS[MESSAGES])
    assert (await call(rig, "fake/words=9", MESSAGES, stream=stream)).reason == ""


@pytest.mark.parametrize("dialect", [CHAT, RESPONSES])
async def test_what_is_told_of_a_translation_is_what_it_left_out(rig, dialect):
    """The route says whether it is left out or refused; a hint is left out anyway, and told of."""
    heard = await call(rig, "lax", dialect, temperature=0.5, service_tier="flex", top_logprobs=3, metadata={"a": "b"})
    assert heard.reason == ""
    assert set(heard.events[0].accepted.dropped) >= {"top_logprobs"}
    refused = await rig.hear(rig.stub.Call(request("strict", dialect, top_logprobs=3), timeout=10))
    assert refused.reason == "INVALID_REQUEST"
    assert refused.end.error.param in {"top_logprobs", "logprobs"}
    assert rig.fake.requests == 1


async def test_a_clients_usage_chunk_comes_where_it_asked_for_it(rig):
    """The gateway asks every provider for usage: that is its own affair."""
    asked = await call(rig, "claude/words=2", CHAT, stream=True, stream_options={"include_usage": True})
    silent = await call(rig, "claude/words=2", CHAT, stream=True)
    assert b'"usage":{' in asked.body
    assert b'"usage":{' not in silent.body
