"""Prices in the configuration: what may stand there, and what is said of the rest."""

import pytest

from chassis.config import ConfigError, parse_settings
from chassis.config.decode import decode, encode
from chassis.config.prices import ModelPrices


def provider_of(members: str):
    return parse_settings(f"providers: [{{name: p, kind: openai, {members}}}]").providers[0]


def test_prices_are_dollars_for_a_million_tokens_and_most_may_be_left_out():
    prices = (
        '[{model: "gpt-4o*", input: 2.5, cached_input: 1.25, cache_write: 3, output: 10}, {model: "*", input: 0.02}]'
    )
    assert provider_of(f"prices: {prices}").prices == [
        ModelPrices(model="gpt-4o*", input=2.5, cached_input=1.25, cache_write=3.0, output=10.0),
        ModelPrices(model="*", input=0.02),
    ]


def test_a_price_reaches_a_service_to_the_last_digit():
    settings = parse_settings(
        "providers: [{name: p, kind: openai, prices: [{model: m, input: 0.1, output: 0.0000123}]}]"
    )
    assert decode(encode(settings, reveal=True)) == settings


def test_a_provider_may_be_free():
    assert provider_of("price: free").price == "free"


@pytest.mark.parametrize(
    ("members", "path"),
    [
        ("price: cheap", "providers[0].price"),
        ("price: 3", "providers[0].price"),
        ("prices: [{model: m}]", "providers[0].prices[0]"),
        ("prices: [{input: 1}]", "providers[0].prices[0]"),
        ('prices: [{model: "", input: 1}]', "providers[0].prices[0].model"),
        ("prices: [{model: m, input: -1}]", "providers[0].prices[0].input"),
        ("prices: [{model: m, input: 1, ouput: 2}]", "providers[0].prices[0]"),
        ('prices: [{model: m, input: "1 dollar"}]', "providers[0].prices[0].input"),
        ("prices: [{model: m, input: .nan}]", "providers[0].prices[0].input"),
        ("prices: [{model: m, input: .inf}]", "providers[0].prices[0].input"),
    ],
)
def test_what_is_no_price_is_said_where_it_stands(members, path):
    with pytest.raises(ConfigError) as caught:
        provider_of(members)
    assert path in str(caught.value)
