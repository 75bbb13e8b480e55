"""Calls asked together through the whole service: how often the provider is asked, what it costs, and whose socket closes."""

import asyncio
from contextlib import asynccontextmanager

import orjson
import pytest

from chassis.client import closing
from chassis.config import parse_settings
from runestone.common.v1 import dialect_pb2 as dialects
from runestone.provider.v1.provider_pb2 import CallRequest

EMBEDDINGS, MODERATIONS = dialects.DIALECT_OPENAI_EMBEDDINGS, dialects.DIALECT_OPENAI_MODERATIONS
TEXTS = [f"{' '.join(['word'] * count)} {count}" for count in range(1, 9)]


def settings_for(fake, batching):
    at = f'base_url: "{fake.openai_url}", api_key: sk-canary-secret, price: free'
    return parse_settings(f"""
providers:
  - {{name: fake, kind: openai, {at}, batching: {batching}}}
  - {{name: alone, kind: openai, {at}}}
""")


@pytest.fixture
async def rig(open_rig, fake):
    async with open_rig(settings_for(fake, f"{{window: 200ms, max_items: {len(TEXTS)}}}")) as rig:
        yield rig


def request(number, given, *, model="fake/m", dialect=EMBEDDINGS, **members):
    body = orjson.dumps({"model": "public", "input": given, **members})
    return CallRequest(call_id=f"c{model}{number}", tenant=f"t{number}", dialect=dialect, model=model, body=body)


async def ask_all(rig, texts, **options):
    asked = [request(number, text, **options) for number, text in enumerate(texts)]
    return await asyncio.gather(*(rig.hear(rig.stub.Call(one, timeout=10)) for one in asked))


@asynccontextmanager
async def running(rig, asked):
    """A call that goes on until it is left."""

    async def listen():
        async with closing(rig.stub.Call(asked, timeout=10)) as messages:
            async for _ in messages:
                pass

    task = asyncio.create_task(listen())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def document_of(heard):
    return {name: value for name, value in orjson.loads(heard.body).items() if name != "usage"}


@pytest.mark.parametrize("dialect", [EMBEDDINGS, MODERATIONS])
async def test_calls_that_come_together_are_one_upstream_call_and_answered_as_if_alone(rig, dialect):
    together = await ask_all(rig, TEXTS, dialect=dialect)
    assert rig.fake.requests == 1
    alone = await ask_all(rig, TEXTS, model="alone/m", dialect=dialect)
    assert rig.fake.requests == 1 + len(TEXTS)
    assert list(map(document_of, together)) == list(map(document_of, alone))


async def test_what_was_used_adds_up_to_what_the_provider_counted(rig):
    together = await ask_all(rig, TEXTS)
    alone = await ask_all(rig, TEXTS, model="alone/m")
    counted = [sum(heard.end.usage.input_tokens for heard in side) for side in (together, alone)]
    assert counted[0] == counted[1]
    assert {heard.end.usage.is_estimated for heard in together} == {True}
    assert {heard.end.usage.is_estimated for heard in alone} == {False}
    told = [orjson.loads(heard.body)["usage"]["prompt_tokens"] for heard in together]
    assert told == [heard.end.usage.input_tokens for heard in together]


async def test_batches_are_counted_by_provider(rig):
    await ask_all(rig, TEXTS)
    await ask_all(rig, TEXTS, model="alone/m")
    lines = rig.runtime.metrics.exposition().decode().splitlines()
    assert 'runestone_upstream_batches_total{provider="fake"} 1.0' in lines
    assert f'runestone_upstream_batched_calls_total{{provider="fake"}} {len(TEXTS)}.0' in lines
    assert not any("batch" in line and 'provider="alone"' in line for line in lines)


async def test_only_who_was_refused_fails(rig):
    """The provider refuses an empty text, and with it every list that holds one."""
    *good, guilty = await ask_all(rig, [*TEXTS[:-1], ""])
    assert [heard.reason for heard in good] == [""] * len(good)
    assert (guilty.reason, guilty.end.error.message) == ("PROVIDER_REFUSED", "'input' is a required property")


async def test_whom_a_provider_slows_down_reads_its_hint(rig):
    rig.fake.script("status=429,retry_after=7")
    heard = await ask_all(rig, TEXTS)
    assert {one.reason for one in heard} == {"PROVIDER_RATE_LIMITED"}
    assert {one.end.error.retry_after.seconds for one in heard} == {7}
    assert rig.fake.requests == 1


async def test_the_socket_closes_with_the_last_one_who_leaves(rig):
    rig.fake.script("hang=headers")
    first, *others = [request(number, text) for number, text in enumerate(TEXTS)]
    async with running(rig, first):
        tasks = [asyncio.create_task(rig.hear(rig.stub.Call(asked, timeout=10))) for asked in others]
        exchange = await rig.fake.exchange()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert not exchange.closed_early.is_set()
    await exchange.wait_closed()


async def test_without_a_window_each_is_asked_alone(open_rig, fake):
    async with open_rig(settings_for(fake, "{window: 0s}")) as rig:
        await ask_all(rig, TEXTS)
        assert (fake.requests, rig.runtime.metrics.exposition().count(b"batches_total{")) == (len(TEXTS), 0)
