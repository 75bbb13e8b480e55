"""What usage costs: exactly, rounded up once, and never 0 for want of a price."""

from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.billing.price import FREE, MOST, cost_of, price, spell_dollars
from runestone.common.v1.cost_pb2 import Cost, Rates, Tariff
from runestone.common.v1.usage_pb2 import Usage

GPT = Tariff(input=2_500_000_000, cached_input=1_250_000_000, cache_write=2_500_000_000, output=10_000_000_000)
ALL = Tariff(input=3_000, cached_input=300, cache_write=3_750, output=15_000, reasoning=60_000)
counts = st.integers(0, 1 << 40)


def rates(*tariffs: Tariff, per_call: int = 0) -> Rates:
    return Rates(tariffs=tariffs, nano_usd_per_call=per_call)


def test_each_class_of_tokens_has_its_price():
    """1000 read, 400 of them cached, 200 written: (600 x 2.50 + 400 x 1.25 + 200 x 10) dollars a million."""
    usage = Usage(input_tokens=1000, cache_read_input_tokens=400, output_tokens=200)
    assert price(rates(GPT), usage) == 4_000_000


def test_written_to_the_cache_is_dearer_and_part_of_what_was_read():
    usage = Usage(input_tokens=100, cache_read_input_tokens=20, cache_write_input_tokens=30, output_tokens=10)
    expected = Fraction(50 * 3_000 + 20 * 300 + 30 * 3_750 + 10 * 15_000, 1_000_000)
    assert price(rates(ALL), usage) == ceil(expected)


def test_reasoning_is_part_of_the_output():
    whole, thought = Usage(input_tokens=0, output_tokens=10**6), Usage(input_tokens=0, output_tokens=10**6)
    thought.reasoning_output_tokens = 400_000
    same = Tariff(input=1, output=10_000, reasoning=10_000)
    assert price(rates(same), whole) == price(rates(same), thought) == 10_000
    assert price(rates(ALL), thought) == 600_000 * 15_000 // 10**6 + 400_000 * 60_000 // 10**6


@pytest.mark.parametrize(("read", "nano"), [(200_000, 200_000 * 3), (200_001, 200_001 * 6), (1_000_001, 1_000_001 * 9)])
def test_above_a_bound_all_tokens_have_the_other_price(read, nano):
    """Makers charge a long prompt whole at the higher price, not only what is above the bound."""
    steps = [(0, 3), (200_000, 6), (1_000_000, 9)]
    tiers = [Tariff(above_input_tokens=bound, input=dollars * 10**6, output=0) for bound, dollars in steps]
    assert price(rates(*tiers), Usage(input_tokens=read)) == nano


@pytest.mark.parametrize("nano", [MOST + 1, 1 << 64, 1 << 90])
def test_what_no_call_can_cost_is_not_known(nano):
    """It would not fit into the message, whose writer would raise in the middle of a call's end."""
    dear = Tariff(input=(1 << 64) - 1)
    assert cost_of(rates(dear), Usage(input_tokens=min(-(-nano * 10**6 // dear.input), (1 << 64) - 1))) is None
    assert cost_of(rates(Tariff(input=10**6)), Usage(input_tokens=MOST)) == Cost(nano_usd=MOST)


@pytest.mark.parametrize("used", ["input_tokens", "output_tokens", "cache_read_input_tokens"])
def test_tokens_without_a_price_leave_the_cost_unknown(used):
    prices = {"input": 5, "cached_input": 5, "output": 5}
    missing = {"input_tokens": "input", "output_tokens": "output", "cache_read_input_tokens": "cached_input"}[used]
    del prices[missing]
    usage = Usage(input_tokens=9 if used == "input_tokens" else 0, output_tokens=0)
    setattr(usage, used, 9)
    assert price(rates(Tariff(**prices)), usage) is None


def test_a_price_that_is_missing_hurts_nobody_who_does_not_use_it():
    """Embeddings write nothing, and have no price for it."""
    assert price(rates(Tariff(input=20_000_000)), Usage(input_tokens=50, output_tokens=0)) == 1000


def test_usage_that_says_nothing_costs_nobody_knows_what():
    assert price(rates(GPT), Usage()) is None
    assert cost_of(rates(GPT), None) is None
    assert cost_of(None, Usage(input_tokens=1)) is None


def test_nothing_used_is_zero_and_said():
    cost = cost_of(rates(GPT), Usage(input_tokens=0, output_tokens=0))
    assert cost == Cost(nano_usd=0)


def test_free_is_zero_whatever_was_used():
    everything = Usage(input_tokens=9, cache_read_input_tokens=2, cache_write_input_tokens=3, output_tokens=8)
    everything.reasoning_output_tokens = 4
    assert cost_of(FREE, everything) == Cost(nano_usd=0)


def test_a_call_may_have_a_price_of_its_own():
    assert price(rates(GPT, per_call=5_000_000), Usage(input_tokens=1, output_tokens=0)) == 5_002_500


def test_parts_that_are_more_than_the_whole_are_priced_as_they_are():
    """Some servers do not count cached tokens among those read."""
    usage = Usage(input_tokens=10, cache_read_input_tokens=1_000_000, output_tokens=0)
    assert price(rates(GPT), usage) == 1_250_000_000


def test_a_cost_says_whether_the_usage_was_estimated():
    usage = Usage(input_tokens=10, output_tokens=0, is_estimated=True)
    assert cost_of(rates(GPT), usage) == Cost(nano_usd=25_000, is_estimated=True)


@given(counts, counts, counts, counts, counts)
def test_the_cost_is_exact_and_rounded_up(plain, cached, kept, said, thought):
    usage = Usage(
        input_tokens=plain + cached + kept,
        cache_read_input_tokens=cached,
        cache_write_input_tokens=kept,
        output_tokens=said + thought,
        reasoning_output_tokens=thought,
    )
    exact = Fraction(plain * 3_000 + cached * 300 + kept * 3_750 + said * 15_000 + thought * 60_000, 1_000_000)
    assert price(rates(ALL), usage) == ceil(exact)


@pytest.mark.parametrize(
    ("nano", "text"),
    [(0, "0"), (1, "0.000000001"), (123_000, "0.000123"), (10**9, "1"), (1_250 * 10**9, "1250"), (10**11, "100")],
)
def test_dollars_are_a_plain_decimal(nano, text):
    assert spell_dollars(nano) == text


@given(st.integers(0, (1 << 64) - 1))
def test_dollars_can_be_read_back(nano):
    assert Fraction(spell_dollars(nano)) == Fraction(nano, 10**9)
