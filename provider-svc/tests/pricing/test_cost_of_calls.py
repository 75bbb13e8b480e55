"""What subscribers read of a call's cost, however it ends."""

import pytest
from fake_provider import FakeProvider

from chassis.billing.price import price
from chassis.client import closing
from chassis.config import parse_settings
from runestone.common.v1.cost_pb2 import Cost

HELLO = {"messages": [{"role": "user", "content": "hello"}]}


@pytest.fixture
async def priced(open_rig, fake: FakeProvider):
    """Everything has a price: a millionth of a dollar a token read, a tenth of that where it was cached, two a token written."""
    prices = '[{model: "dear*", input: 100, output: 100}, {model: "*", input: 1, cached_input: 0.1, output: 2}]'
    text = f"""
providers:
  - {{name: fake, kind: openai_compatible, base_url: "{fake.openai_url}", prices: {prices}}}
  - {{name: claude, kind: anthropic, base_url: "{fake.url}", prices: {prices}}}
  - {{name: gift, kind: openai_compatible, base_url: "{fake.openai_url}", price: free}}
  - {{name: nameless, kind: openai_compatible, base_url: "{fake.openai_url}"}}
  - {{name: sim, kind: simulated}}
"""
    async with open_rig(parse_settings(text)) as rig:
        yield rig


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("model", "nano"),
    [
        ("fake/words=20", 7_000 + 400 + 40_000),  # the fake reads 11 tokens, 4 of them cached
        ("fake/dear,words=20", 3_100_000),
        ("claude/words=20", 7_000 + 400 + 40_000),
        ("gift/words=20", 0),
        ("gift/words=20,no_usage", 0),
        ("sim/words=20", 0),
    ],
)
async def test_a_whole_answer_says_what_it_cost(priced, model, nano, stream):
    heard = await priced.call(model, stream=stream)
    assert heard.end.HasField("cost")
    assert heard.end.cost == Cost(nano_usd=nano)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("provider", ["fake", "claude"])
@pytest.mark.parametrize("wish", ["", ",cut_events=5,cut=99999"])
async def test_a_call_ends_whatever_its_provider_counts(priced, provider, stream, wish):
    """A cost that no message holds left its call without an end, and its flight and its provider's lease with it."""
    heard = await priced.call(f"{provider}/words=20,input={9 * 10**18}{wish}", stream=stream)
    assert heard.end is not None
    assert heard.end.cost.nano_usd < 1_000_000
    assert priced.gauge("runestone_upstream_running") == 0


async def test_a_price_that_is_not_known_is_counted_and_no_cost(priced):
    heard = await priced.call("nameless/gpt-4o,words=3", stream=False)
    assert heard.end.usage.output_tokens == 3
    assert not heard.end.HasField("cost")
    assert priced.gauge("runestone_upstream_unpriced_total") == 1
    assert priced.gauge("runestone_upstream_cost_dollars_total") == 0


async def test_dollars_are_counted_by_provider(priced):
    await priced.call("fake/dear,words=20")
    assert (
        'runestone_upstream_cost_dollars_total{provider="fake"} 0.0031' in priced.runtime.metrics.exposition().decode()
    )


async def test_usage_that_nobody_counted_has_no_cost(priced):
    heard = await priced.call("fake/words=3,no_usage")
    assert (heard.reason, heard.end.HasField("usage"), heard.end.HasField("cost")) == ("", False, False)


async def test_a_stream_that_is_cut_is_billed_for_what_passed(priced):
    """The words of the fake are five bytes or so; the first event has none."""
    heard = await priced.call("fake/words=100,cut_events=51")
    assert heard.reason == "PROVIDER_STREAM_CUT"
    end = heard.end
    assert (end.usage.is_estimated, end.cost.is_estimated) == (True, True)
    assert 10 <= end.usage.input_tokens <= 30
    assert 25 <= end.usage.output_tokens <= 125
    assert end.cost.nano_usd == 1_000 * end.usage.input_tokens + 2_000 * end.usage.output_tokens


async def test_what_anthropic_had_counted_before_a_cut_stands(priced):
    heard = await priced.call("claude/words=100,cut_events=53")
    usage = heard.end.usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.is_estimated) == (11, 4, True)
    assert 25 <= usage.output_tokens <= 125
    assert heard.end.cost == Cost(nano_usd=7_400 + 2_000 * usage.output_tokens, is_estimated=True)


@pytest.mark.parametrize("wish", ["status=500", "close", "status=429", "html_503"])
async def test_a_call_that_was_refused_costs_nothing_and_has_no_usage(priced, wish):
    heard = await priced.call(f"fake/{wish}")
    assert not heard.end.HasField("usage")
    assert not heard.end.HasField("cost")


async def test_a_stream_tells_its_rates_before_its_first_event(priced):
    """A caller that leaves prices what passed itself."""
    heard = await priced.call("fake/words=3")
    accepted = heard.events[0].accepted
    assert price(accepted.rates, heard.end.usage) == heard.end.cost.nano_usd
    assert not (await priced.call("nameless/words=3")).events[0].accepted.HasField("rates")


async def test_a_document_needs_no_rates(priced):
    """It is whole when it is read, and says its cost."""
    assert not (await priced.call("fake/words=3", stream=False)).events[0].accepted.HasField("rates")


async def test_what_is_counted_on_the_way_is_told_once(priced):
    """Anthropic counts what it read before it writes; a client that leaves then is known to have had that read."""
    heard = await priced.call("claude/words=10,pace=10ms")
    told = [event.data.usage for event in heard.events if event.data.HasField("usage")]
    assert [(usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens) for usage in told] == [(11, 4, 1)]
    assert heard.end.usage.output_tokens == 10


async def test_openai_counts_at_the_end_and_that_is_told_there(priced):
    heard = await priced.call("fake/words=10,pace=5ms")
    assert not [event for event in heard.events if event.data.HasField("usage")]


async def test_a_call_that_its_caller_leaves_is_counted_all_the_same(priced):
    """Nobody reads its end; what it cost is in the metrics."""
    responses = priced.stub.Call(priced.request("fake/words=1000,pace=10ms"), timeout=30)
    async with closing(responses) as messages:
        seen = 0
        async for message in messages:
            seen += sum(len(event.data.ends) for event in message.events)
            if seen > 5:
                break
    await priced.until_idle()
    assert priced.gauge("runestone_upstream_cost_dollars_total") > 0


async def test_the_library_prices_what_the_configuration_does_not(open_rig, fake: FakeProvider):
    """A call that ends while the prices are still being read waits for them rather than be without."""
    text = f'providers: [{{name: fake, kind: openai, base_url: "{fake.openai_url}"}}]'
    async with open_rig(parse_settings(text)) as rig:
        heard = await rig.call("fake/gpt-4o", stream=False)
        assert heard.end.cost == Cost(nano_usd=7 * 2_500 + 4 * 1_250 + 8 * 10_000)
