"""Which targets answer for a public model name: the most exact entry decides."""

import pytest

from chassis.config.catalog import Catalog
from chassis.config.models import Model, Target
from chassis.config.providers import Provider

PROVIDERS = [Provider(name="openai", kind="openai"), Provider(name="sim", kind="simulated")]
CATALOG = Catalog(
    [
        Model(name="*", targets=[Target(provider="sim", model="any-*")]),
        Model(name="gpt-*", targets=[Target(provider="openai", model="gpt-*", weight=3)]),
        Model(name="gpt-4*", targets=[Target(provider="openai", model="four*")]),
        Model(
            name="gpt-4o", targets=[Target(provider="openai", model="gpt-4o-2024"), Target(provider="sim", model="s")]
        ),
        Model(name="openai/*"),
        Model(name="openai/o3"),
    ],
    PROVIDERS,
)


@pytest.mark.parametrize(
    ("model", "entry", "targets"),
    [
        ("gpt-4o", "gpt-4o", ["openai/gpt-4o-2024", "sim/s"]),  # exact
        ("gpt-4-turbo", "gpt-4*", ["openai/four-turbo"]),  # the longest wildcard
        ("gpt-5", "gpt-*", ["openai/gpt-5"]),
        ("gpt-", "*", ["sim/any-gpt-"]),  # a wildcard stands for something
        ("llama", "*", ["sim/any-llama"]),
        ("openai/o3", "openai/o3", ["openai/o3"]),  # no targets: the name says it
        ("openai/org/model", "openai/*", ["openai/org/model"]),
    ],
)
def test_the_most_exact_entry_decides(model, entry, targets):
    route = CATALOG.find_route(model)
    assert route.name == entry
    assert [f"{target.provider}/{target.model}" for target in route.targets] == targets


def test_a_filled_target_keeps_its_weight():
    (target,) = CATALOG.find_route("gpt-5").targets
    assert target.weight == 3


@pytest.mark.parametrize("model", ["sim/anything", "openai/gpt-4o"])
def test_a_provider_and_its_model_need_no_entry(model):
    route = Catalog([], PROVIDERS).find_route(model)
    assert [f"{target.provider}/{target.model}" for target in route.targets] == [model]


@pytest.mark.parametrize("model", ["", "sim", "sim/", "/x", "nobody/x", "*"])
def test_a_name_that_nothing_answers_for_has_no_route(model):
    assert (
        Catalog([Model(name="fast", targets=[Target(provider="sim", model="m")])], PROVIDERS).find_route(model) is None
    )


def test_a_route_never_bears_a_name_that_a_client_made_up():
    """It labels metrics; clients could otherwise make as many series as they like."""
    names = {CATALOG.find_route(f"{stem}{n}").name for n in range(50) for stem in ("gpt-", "openai/x", "sim/y", "z")}
    assert names <= set(CATALOG.names)
    assert {Catalog([], PROVIDERS).find_route(f"sim/{n}").name for n in range(50)} == {"sim/*"}


def test_names_are_what_the_configuration_wrote():
    assert CATALOG.names == ["gpt-4o", "openai/o3", "openai/*", "gpt-4*", "gpt-*", "*"]


def test_a_route_refuses_losses_unless_its_entry_says_otherwise():
    """A name that stands for a provider's model has no entry, and is strict."""
    target = [Target(provider="sim", model="*")]
    catalog = Catalog([Model(name="lax*", targets=target, on_loss="drop"), Model(name="m", targets=target)], PROVIDERS)
    strict = {name: catalog.find_route(name).is_strict for name in ("lax-one", "m", "sim/x")}
    assert strict == {"lax-one": False, "m": True, "sim/x": True}
