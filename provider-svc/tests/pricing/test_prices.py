"""What one configured provider's models cost."""

import pytest

from chassis.billing.price import FREE
from chassis.config.presets import PRESETS
from chassis.config.prices import ModelPrices
from chassis.config.providers import Provider
from chassis.testing import FakeClock
from provider_svc.pricing.library import Period
from provider_svc.pricing.prices import MOST, ConfiguredPrices
from runestone.common.v1.cost_pb2 import Rates, Tariff

KNOWN = Rates(tariffs=[Tariff(input=7)])


class FakeLibrary:
    """Knows `known` of everybody; counts what it is asked."""

    def __init__(self, *, is_reading: bool = False) -> None:
        self.is_reading = is_reading
        self.is_wanted = False
        self.asked = []

    def want(self):
        self.is_wanted = True

    async def wait(self):
        self.is_reading = False

    def list_periods(self, kind, base_url, model):
        self.asked.append((kind, base_url, model))
        return (Period(None, KNOWN),) if model.startswith("known") else ()


class Log:
    def __init__(self) -> None:
        self.warned = []

    def warning(self, message, **facts):
        self.warned.append(facts["model"])


def prices_of(library, log=None, **options):
    configured = Provider(name="p", **{"kind": "openai", **options})
    return ConfiguredPrices(configured, library, FakeClock(), log or Log())


def test_what_the_configuration_says_comes_first():
    mine = ModelPrices(model="known-4*", input=1, output=2)
    prices = prices_of(library := FakeLibrary(), prices=[mine, ModelPrices(model="known*", input=9)])
    assert prices.find("known-4o").tariffs[0].input == 1_000_000_000
    assert prices.find("known").tariffs[0].input == 9_000_000_000
    assert library.asked == []


def test_then_what_is_known_of_the_provider():
    prices = prices_of(library := FakeLibrary(), base_url="https://x", prices=[ModelPrices(model="mine", input=1)])
    assert prices.find("known") == KNOWN
    assert library.asked == [("openai", "https://x", "known")]


def test_a_preset_is_known_by_its_address():
    prices = prices_of(library := FakeLibrary(), kind="openai_compatible", preset="groq")
    assert prices.find("known") == KNOWN
    assert library.asked == [("openai_compatible", PRESETS["groq"].base_url, "known")]


def test_a_model_is_looked_up_once():
    prices = prices_of(library := FakeLibrary(), log := Log())
    assert [prices.find("known"), prices.find("known"), prices.find("new"), prices.find("new")] == [
        KNOWN,
        KNOWN,
        None,
        None,
    ]
    assert len(library.asked) == 2
    assert log.warned == ["new"]


def test_what_is_remembered_is_bounded():
    """Behind a wildcard, clients choose names."""
    prices = prices_of(library := FakeLibrary())
    for number in range(MOST + 1):
        prices.find(f"known-{number}")
    prices.find("known-1")
    assert len(library.asked) == MOST + 1
    prices.find("known-0")
    assert len(library.asked) == MOST + 2


@pytest.mark.parametrize(
    "options", [{"kind": "simulated"}, {"price": "free"}, {"kind": "openai_compatible", "price": "free"}]
)
def test_what_is_free_is_said_to_be_and_needs_no_library(options):
    prices = prices_of(library := FakeLibrary(), **options)
    assert prices.find("anything") is FREE
    assert not library.is_wanted


def test_what_is_free_may_have_a_price_for_some_models():
    prices = prices_of(FakeLibrary(), price="free", prices=[ModelPrices(model="big*", input=1)])
    assert prices.find("bigger").tariffs[0].input == 1_000_000_000
    assert prices.find("small") is FREE


def test_where_everything_is_priced_no_library_is_wanted():
    prices = prices_of(library := FakeLibrary(), prices=[ModelPrices(model="*", input=1, output=1)])
    assert prices.find("known") is not None
    assert not library.is_wanted


@pytest.mark.parametrize(
    ("base_url", "is_wanted"),
    [
        ("https://api.groq.com/openai/v1", True),
        ("http://127.0.0.1:8000/v1", False),
        ("http://[::1]:8000/v1", False),
        ("http://localhost:8000/v1", False),
        ("http://vllm:8000/v1", False),
    ],
)
def test_a_server_in_ones_own_house_has_no_price_that_others_know(base_url, is_wanted):
    prices = prices_of(library := FakeLibrary(), kind="openai_compatible", base_url=base_url)
    assert library.is_wanted == is_wanted
    assert (prices.find("known") is not None) == is_wanted


async def test_while_the_library_is_read_nothing_is_known_and_nothing_remembered():
    prices = prices_of(library := FakeLibrary(is_reading=True), log := Log())
    assert library.is_wanted
    assert prices.find("known") is None
    assert log.warned == []
    await prices.settle()
    assert prices.find("known") == KNOWN
