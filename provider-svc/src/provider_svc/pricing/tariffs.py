"""From prices in dollars, as people write them, to the mesh's rates. Pure; done once a model."""

from decimal import ROUND_HALF_EVEN, Decimal
from typing import TYPE_CHECKING

from chassis.config.prices import ModelPrices
from runestone.common.v1.cost_pb2 import Rates, Tariff

if TYPE_CHECKING:
    from genai_prices.types import ModelPrice, TieredPrices

    Price = Decimal | TieredPrices

NANO = 10**9
# Our classes of tokens by the library's names of their prices, and whose price holds where a class has none of its own.
CLASSES = {
    "input": ("input_mtok", "input"),
    "cached_input": ("cache_read_mtok", "input"),
    "cache_write": ("cache_write_mtok", "input"),
    "output": ("output_mtok", "output"),
    "reasoning": ("output_reasoning_mtok", "output"),
}


def rates_of_override(prices: ModelPrices) -> Rates:
    """What the configuration says."""
    said = {
        "input": prices.input,
        "cached_input": prices.cached_input,
        "cache_write": prices.cache_write,
        "output": prices.output,
    }
    return Rates(tariffs=[_tariff({name: Decimal(repr(value)) for name, value in said.items() if value is not None})])


def rates_of_library(price: "ModelPrice") -> Rates | None:
    """What the library says; None where it prices something else than tokens (minutes, characters, pages)."""
    known = {name: found for name, (key, _) in CLASSES.items() if (found := getattr(price, key)) is not None}
    if "input" not in known and "output" not in known:
        return None
    bounds = sorted({0, *(tier.start for one in known.values() for tier in getattr(one, "tiers", ()))})
    tariffs = [_tariff({name: _price_above(one, bound) for name, one in known.items()}, bound) for bound in bounds]
    thousand_calls = price.requests_kcount
    return Rates(tariffs=tariffs, nano_usd_per_call=_to_nano(_price_above(thousand_calls or Decimal(0), 0) / 1000))


def _tariff(dollars: dict[str, Decimal], bound: int = 0) -> Tariff:
    tariff = Tariff(above_input_tokens=bound)
    for name, (_, stand_in) in CLASSES.items():
        price = dollars.get(name, dollars.get(stand_in))
        if price is not None:
            setattr(tariff, name, _to_nano(price))
    return tariff


def _price_above(price: "Price", bound: int) -> Decimal:
    """What holds for calls with more input tokens than `bound`, and no more than the next one."""
    if isinstance(price, Decimal):
        return price
    return next((tier.price for tier in reversed(price.tiers) if tier.start <= bound), price.base)


def _to_nano(dollars: Decimal) -> int:
    """To a billionth of a dollar for a million tokens; no maker's price has more digits."""
    return int((dollars * NANO).to_integral_value(ROUND_HALF_EVEN))
