"""Prices as people write them, as the mesh's rates."""

from decimal import Decimal

import pytest
from genai_prices import Usage as LibraryUsage
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelPrice, Tier, TieredPrices

from chassis.billing.price import price
from chassis.config.prices import ModelPrices
from provider_svc.pricing.tariffs import CLASSES, rates_of_library, rates_of_override
from runestone.common.v1.cost_pb2 import Rates, Tariff
from runestone.common.v1.usage_pb2 import Usage

OURS = {key for key, _ in CLASSES.values()} | {"requests_kcount"}


def test_what_an_override_leaves_out_costs_as_input_and_output():
    rates = rates_of_override(ModelPrices(model="*", input=2.5, output=10))
    both, out = 2_500_000_000, 10_000_000_000
    tariff = Tariff(input=both, cached_input=both, cache_write=both, output=out, reasoning=out)
    assert rates == Rates(tariffs=[tariff])


def test_an_override_is_taken_to_the_last_digit():
    """0.1 + 0.2 is no sum here: what was written is read as a decimal."""
    rates = rates_of_override(ModelPrices(model="*", input=0.1, cached_input=0.07, cache_write=0.125, output=1e-05))
    (tariff,) = rates.tariffs
    assert (tariff.input, tariff.cached_input, tariff.cache_write) == (100_000_000, 70_000_000, 125_000_000)
    assert tariff.output == 10_000


def test_without_a_price_for_output_there_is_none():
    (tariff,) = rates_of_override(ModelPrices(model="*", input=0.02)).tariffs
    assert not tariff.HasField("output")
    assert not tariff.HasField("reasoning")


def test_tiers_that_begin_at_different_bounds_are_one_ladder():
    tiered = TieredPrices(base=Decimal(3), tiers=[Tier(200_000, Decimal(6))])
    other = TieredPrices(base=Decimal(15), tiers=[Tier(400_000, Decimal(30)), Tier(100_000, Decimal(20))])
    rates = rates_of_library(ModelPrice(input_mtok=tiered, output_mtok=other, cache_read_mtok=Decimal(1)))
    ladder = [
        (t.above_input_tokens, t.input // 10**9, t.output // 10**9, t.cached_input // 10**9) for t in rates.tariffs
    ]
    assert ladder == [(0, 3, 15, 1), (100_000, 3, 20, 1), (200_000, 6, 20, 1), (400_000, 6, 30, 1)]


def test_what_is_not_sold_by_the_token_has_no_rates():
    assert rates_of_library(ModelPrice(audio_hours=Decimal(1))) is None


@pytest.mark.parametrize("read", [1, 99_999, 200_000, 200_001, 272_001, 1_200_000])
def test_every_model_of_the_library_costs_what_the_library_says(read):
    """Its own arithmetic, over all that it has: tiers, cached tokens, prices of a call, what stands in for what.
    To a billionth of a dollar: some of its prices were floats (0.18000000000000002)."""
    checked = 0
    for model_price in all_prices():
        rates = rates_of_library(model_price)
        if rates is None or not {key for key, value in vars(model_price).items() if value is not None} <= OURS:
            continue
        usage = {"input_tokens": read, "output_tokens": 777}
        cached = {"cache_read_tokens": read // 3, "cache_write_tokens": read // 5}
        theirs = model_price.calc_price(LibraryUsage(**usage, **cached, output_reasoning_tokens=100))["total_price"]
        ours = Usage(**usage, cache_read_input_tokens=read // 3, cache_write_input_tokens=read // 5)
        ours.reasoning_output_tokens = 100
        if rates.tariffs[0].HasField("input") and rates.tariffs[0].HasField("output"):
            assert abs(price(rates, ours) - theirs * 10**9) < 2, model_price
            checked += 1
    assert checked > 1_500


def all_prices():
    for provider in get_snapshot().providers:
        for model in provider.models:
            yield from [one.prices for one in model.prices] if isinstance(model.prices, list) else [model.prices]
