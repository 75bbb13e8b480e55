"""Whose price a configured provider's model has: by address, else by kind, and never somebody else's."""

import asyncio
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from provider_svc.pricing.library import Library, Period, find_rates
from runestone.common.v1.cost_pb2 import Rates, Tariff

OPENROUTER = "https://openrouter.ai/api/v1"
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC).timestamp()


@pytest.fixture(scope="module")
def library() -> Library:
    async def read() -> Library:
        tasks = []
        library = Library(lambda work, name: tasks.append(asyncio.create_task(work, name=name)))
        library.want()
        library.want()
        assert library.is_reading
        await library.wait()
        assert len(tasks) == 1
        return library

    return asyncio.run(read())


def cost_of_input(library: Library, kind: str, base_url: str, model: str) -> int | None:
    rates = find_rates(library.list_periods(kind, base_url, model), NOON)
    return rates.tariffs[0].input if rates is not None else None


def test_a_maker_is_known_by_its_kind(library):
    assert cost_of_input(library, "openai", "", "gpt-4o") == 2_500_000_000
    assert cost_of_input(library, "openai", "", "gpt-4o-2024-08-06") == 2_500_000_000
    assert cost_of_input(library, "anthropic", "", "claude-sonnet-4-5") == 3_000_000_000


def test_a_maker_behind_a_proxy_of_ones_own_is_still_the_maker(library):
    assert cost_of_input(library, "openai", "http://10.0.0.1:8080/v1", "gpt-4o") == 2_500_000_000


def test_others_are_known_by_their_address(library):
    assert library.list_periods("openai_compatible", "https://api.groq.com/openai/v1", "llama-3.3-70b-versatile")
    assert library.list_periods("openai_compatible", OPENROUTER, "openai/gpt-4o")


def test_the_address_says_more_than_the_kind(library):
    """`kind: openai` with OpenRouter's address is OpenRouter, where the names of models are others."""
    assert library.list_periods("openai", OPENROUTER, "openai/gpt-4o")
    assert not library.list_periods("openai", "https://api.deepseek.com", "gpt-4o")


@pytest.mark.parametrize("base_url", ["http://127.0.0.1:8000/v1", "https://llm.example/v1", ""])
def test_a_name_that_another_provider_knows_is_no_price(library, base_url):
    assert not library.list_periods("openai_compatible", base_url, "gpt-4o")


def test_a_model_that_nobody_knows_has_no_price(library):
    assert not library.list_periods("openai", "", "words=5")


class Between:
    """A price that holds from one hour to another."""

    def __init__(self, begin: int, end: int) -> None:
        self.begin, self.end = begin, end

    def active(self, moment: datetime, /) -> bool:
        return self.begin <= moment.hour < self.end


def rates(dollars: int) -> Rates:
    return Rates(tariffs=[Tariff(input=dollars)])


@pytest.mark.parametrize(("hour", "dollars"), [(3, 3), (13, 2), (16, 1), (20, 1)])
def test_of_several_prices_the_last_that_holds_counts(hour, dollars):
    periods = (Period(None, rates(1)), Period(Between(12, 15), rates(2)), Period(Between(0, 6), rates(3)))
    at = datetime(2026, 1, 1, hour, tzinfo=UTC).timestamp()
    assert find_rates(periods, at) == rates(dollars)


def test_where_none_holds_the_first_does():
    periods = (Period(Between(1, 2), rates(1)), Period(Between(2, 3), rates(2)))
    assert find_rates(periods, NOON) == rates(1)


def test_nothing_is_imported_before_somebody_wants_it():
    """It takes 0.2 s and 15 MB; a mesh that simulates has neither to pay."""
    code = "import sys, provider_svc.service; sys.exit(any(name.startswith(('genai_prices', 'pydantic')) for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
