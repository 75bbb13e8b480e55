"""Responses that a provider has stored, asked for through the whole service."""

import asyncio

import orjson
import pytest

from chassis.config import parse_settings
from chassis.errors import Reason, RunestoneError
from runestone.common.v1.dialect_pb2 import DIALECT_OPENAI_RESPONSES
from runestone.provider.v1.provider_pb2 import CallRequest, Parameter, Resource


@pytest.fixture
async def rig(open_rig, fake):
    at = f'base_url: "{fake.openai_url}", api_key: sk-canary-secret'
    settings = parse_settings(f"""
providers:
  - {{name: fake, kind: openai, {at}, prices: [{{model: "*", input: 1, output: 2}}]}}
  - {{name: compat, kind: openai_compatible, {at}}}
  - {{name: claude, kind: anthropic, base_url: "{fake.url}", api_key: sk-canary-secret}}
  - {{name: sim, kind: simulated}}
models:
  - {{name: pair, targets: [{{provider: claude, model: words=3, weight: 100}}, {{provider: fake, model: words=3, weight: 0}}]}}
""")
    async with open_rig(settings) as rig:
        yield rig


def question(model="fake/words=3", *, stream=False, provider="", call_id="c", **members):
    body = {"model": "public", "input": "hello", **members, **({"stream": True} if stream else {})}
    return CallRequest(
        call_id=call_id,
        tenant="acme",
        dialect=DIALECT_OPENAI_RESPONSES,
        model=model,
        stream=stream,
        body=orjson.dumps(body),
        provider=provider,
    )


def wanted(response_id, action=Resource.ACTION_GET, *, provider="fake", stream=False, **query):
    said = {**query, "stream": "true"} if stream else query
    parameters = [Parameter(name=name, value=value) for name, value in said.items()]
    return CallRequest(
        call_id="d",
        tenant="acme",
        dialect=DIALECT_OPENAI_RESPONSES,
        model="whatever",
        stream=stream,
        provider=provider,
        resource=Resource(action=action, id=response_id, query=parameters),
    )


async def hear(rig, request):
    return await rig.hear(rig.stub.Call(request, timeout=10))


async def make(rig, **options):
    heard = await hear(rig, question(**options))
    assert heard.reason == "" and heard.end.usage.output_tokens == 3
    return orjson.loads(heard.body)


async def test_what_was_stored_is_read_as_the_bytes_that_it_is_and_billed_no_more(rig):
    made = await make(rig)
    heard = await hear(rig, wanted(made["id"]))
    assert orjson.loads(heard.body) == made
    assert not heard.end.HasField("usage") and not heard.end.HasField("cost")
    accepted = heard.events[0].accepted
    assert (accepted.provider, accepted.upstream_status, accepted.HasField("rates")) == ("fake", 200, False)
    asked = rig.fake.exchanges[-1]
    assert (asked.method, asked.path, asked.body) == ("GET", f"/v1/responses/{made['id']}", b"")
    assert asked.headers["authorization"] == "Bearer sk-canary-secret"
    assert "content-length" not in asked.headers


async def test_its_events_are_read_from_where_the_reader_wants(rig):
    streamed = await hear(rig, question(stream=True))
    made = orjson.loads(streamed.frames[-1].partition(b"data: ")[2])["response"]
    again = await hear(rig, wanted(made["id"], stream=True))
    assert again.body == streamed.body
    rest = await hear(rig, wanted(made["id"], stream=True, starting_after="3"))
    assert rest.frames == streamed.frames[4:]
    assert not rest.end.HasField("usage")


async def test_a_reading_that_is_cut_is_no_answer_and_is_not_billed(rig):
    made = await make(rig)
    rig.fake.script("cut_events=3")
    heard = await hear(rig, wanted(made["id"], stream=True))
    assert heard.reason == "PROVIDER_STREAM_CUT" and len(heard.frames) == 3
    assert not heard.end.HasField("usage") and not heard.end.HasField("cost")


async def test_it_is_listed_cancelled_and_deleted_where_it_is(rig):
    made = await make(rig, model="fake/words=3", background=False)
    listed = await hear(rig, wanted(made["id"], Resource.ACTION_INPUT_ITEMS, limit="1", order="asc"))
    assert orjson.loads(listed.body)["data"][0]["content"][0]["text"] == "hello"
    assert rig.fake.exchanges[-1].query == {"limit": "1", "order": "asc"}
    refused = await hear(rig, wanted(made["id"], Resource.ACTION_CANCEL))
    assert refused.end.error.message == "Cannot cancel a synchronous response."
    deleted = await hear(rig, wanted(made["id"], Resource.ACTION_DELETE))
    assert orjson.loads(deleted.body)["deleted"] is True
    gone = await hear(rig, wanted(made["id"]))
    assert (gone.reason, gone.end.error.upstream_status) == ("PROVIDER_REFUSED", 404)
    assert [each.method for each in rig.fake.exchanges] == ["POST", "GET", "POST", "DELETE", "GET"]


@pytest.mark.parametrize("provider", ["claude", "sim", "compat"])
async def test_who_does_not_speak_responses_keeps_none(rig, provider):
    heard = await hear(rig, wanted("resp_1", provider=provider))
    assert heard.end.error.code == "unsupported_endpoint"
    assert rig.fake.requests == 0


@pytest.mark.parametrize("request_for", [wanted("resp_1", provider="nobody"), question("pair", provider="nobody")])
async def test_a_provider_that_is_not_configured_is_not_there(rig, request_for):
    with pytest.raises(RunestoneError) as error:
        await hear(rig, request_for)
    assert error.value.reason is Reason.NOT_FOUND
    assert rig.fake.requests == 0


async def test_a_call_for_one_provider_is_its_whatever_the_weights(rig):
    heard = await hear(rig, question("pair", provider="fake"))
    assert heard.events[0].accepted.provider == "fake"
    assert rig.fake.exchanges[-1].path == "/v1/responses"


@pytest.mark.parametrize(
    ("model", "is_translated"), [("fake/words=3", False), ("claude/words=3", True), ("sim/x", True)]
)
@pytest.mark.parametrize("stream", [False, True])
async def test_whether_an_answer_is_translated_is_told(rig, model, is_translated, stream):
    heard = await hear(rig, question(model, stream=stream))
    assert heard.events[0].accepted.translated is is_translated


async def test_who_leaves_a_reading_closes_the_providers_socket(rig):
    made = await make(rig)
    rig.fake.script("hang=headers")
    reading = asyncio.create_task(hear(rig, wanted(made["id"])))
    exchange = await rig.fake.exchange(2)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await exchange.wait_closed()
