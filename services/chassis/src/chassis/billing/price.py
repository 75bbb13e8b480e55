"""From tokens to money. Pure, and in integers: whoever prices the same usage gets the same cost, to the last digit."""

from decimal import Decimal
from typing import Literal

from runestone.common.v1.cost_pb2 import Cost, Rates, Tariff
from runestone.common.v1.usage_pb2 import Usage

Class = Literal["input", "cached_input", "cache_write", "output", "reasoning"]

MILLION = 1_000_000  # tokens that a tariff's prices are for
MOST = 1 << 53  # billionths of a dollar, nine million dollars: what comes to more was counted wrong

FREE = Rates(tariffs=[Tariff(input=0, cached_input=0, cache_write=0, output=0, reasoning=0)])


def price(rates: Rates, usage: Usage) -> int | None:
    """What the usage costs, in billionths of a dollar, rounded up; None where tokens were used whose price is not known, or where
    nobody said how many there were."""
    read, written = usage.input_tokens, usage.output_tokens
    if not read and not written and not usage.HasField("input_tokens") and not usage.HasField("output_tokens"):
        return None
    tariff = _find_tariff(rates, read)
    total = 0
    for name, tokens in _split(usage, read, written):
        if tokens > 0:  # what is said to be a part may be more than the whole: then the parts count
            if not tariff.HasField(name):
                return None
            total += tokens * getattr(tariff, name)
    return rates.nano_usd_per_call - (-total // MILLION)


def cost_of(rates: Rates | None, usage: Usage | None) -> Cost | None:
    """The same as a message; None where the rates or the usage are not known, or make no sense."""
    if rates is None or usage is None or (nano_usd := price(rates, usage)) is None or nano_usd > MOST:
        return None
    return Cost(nano_usd=nano_usd, is_estimated=usage.is_estimated)


def spell_dollars(nano_usd: int) -> str:
    """Billionths of a dollar as dollars: `0.000123`, `0`, never with an exponent."""
    return f"{Decimal(nano_usd).scaleb(-9).normalize():f}"


def _split(usage: Usage, read: int, written: int) -> tuple[tuple[Class, int], ...]:
    """The tokens of each class."""
    cached, kept = usage.cache_read_input_tokens, usage.cache_write_input_tokens
    thought = usage.reasoning_output_tokens
    return (
        ("input", read - cached - kept),
        ("output", written - thought),
        ("cached_input", cached),
        ("cache_write", kept),
        ("reasoning", thought),
    )


def _find_tariff(rates: Rates, read: int) -> Tariff:
    """The one that holds for so many input tokens."""
    tariffs = rates.tariffs
    found = tariffs[0]
    if len(tariffs) > 1:
        for tariff in tariffs:
            if read > tariff.above_input_tokens:
                found = tariff
    return found
