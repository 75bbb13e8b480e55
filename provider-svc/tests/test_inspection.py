"""Which targets are listed, and what is known of them, without a service around it."""

import pytest
from attempts.scene import Scene

from chassis.errors import Reason
from provider_svc.health.breaker import State
from provider_svc.health.outcome import Outcome
from provider_svc.inspection import Leads, add_up, list_targets

CONFIG = """
providers: [{name: a, kind: openai, breaker: {failures: 1, pause: 5s}}, {name: b, kind: openai}]
models:
  - {name: m, targets: [{provider: a, model: x}, {provider: b, model: x}]}
  - {name: m2, targets: [{provider: a, model: x}]}
  - {name: "a/gpt-*"}
  - {name: "w-*", targets: [{provider: a, model: "big-*-1"}, {provider: b, model: fixed}]}
"""


@pytest.fixture
def scene():
    return Scene(CONFIG)


def listed(scene):
    return {(one.health.provider, one.health.model): one for one in list_targets(scene.routes, scene.book)}


def leads(scene, provider, model):
    return Leads(scene.routes.catalog).find(provider, model)


def test_what_the_configuration_names_is_listed_once_with_all_that_lead_there(scene):
    assert [(key, leads(scene, *key), one.label) for key, one in listed(scene).items()] == [
        (("a", "x"), ["m", "m2"], "x"),
        (("b", "fixed"), ["w-*"], "fixed"),
        (("b", "x"), ["m"], "x"),
    ]
    assert len(scene.book) == 0


@pytest.mark.parametrize(
    ("model", "routes"),
    [("gpt-5", ["a/gpt-*"]), ("big-llama-1", ["w-*"]), ("big-llama-2", ["a/*"]), ("whatever", ["a/*"])],
)
def test_what_clients_name_is_listed_when_it_was_used_and_has_no_label_of_its_own(scene, model, routes):
    scene.health("a", model)
    assert (leads(scene, "a", model), listed(scene)["a", model].label) == (routes, "*")


def test_a_provider_that_has_gone_is_listed_while_calls_run_there(scene):
    health = scene.health("a", "gpt-5")
    del scene.routes.seats["a"]
    scene.routes.catalog = Scene("providers: [{name: b, kind: openai}]").routes.catalog
    assert ("a", "gpt-5") not in listed(scene)
    health.enter(scene.clock.monotonic())
    assert ("a", "gpt-5") in listed(scene)
    assert leads(scene, "a", "gpt-5") == ["a/*"]


def test_what_others_said_is_seen_before_the_first_call(scene):
    """As that call would find it."""
    now = scene.clock.monotonic()
    scene.book.on_new = lambda health: health.hear_open(now + 5, now)
    seen = listed(scene)["a", "x"].health.state(now)
    assert (seen, len(scene.book)) == (State.OPEN, 0)
    assert scene.health("a", "x").state(now) is seen
    assert add_up(list_targets(scene.routes, scene.book), now)["a", "x"] == (0, 1)


def test_names_of_clients_are_added_up(scene):
    now = scene.clock.monotonic()
    for model in ("gpt-5", "gpt-6"):
        scene.health("a", model).enter(now)
    ill = scene.health("a", "gpt-7")
    ill.leave(Outcome.FAILED, now, Reason.PROVIDER_FAILED, ill.enter(now))
    targets = list_targets(scene.routes, scene.book)
    assert add_up(targets, now) == {("a", "*"): (2, 1), ("a", "x"): (0, 0), ("b", "x"): (0, 0), ("b", "fixed"): (0, 0)}
    assert add_up(targets, now + 5)["a", "*"] == (2, 0)
