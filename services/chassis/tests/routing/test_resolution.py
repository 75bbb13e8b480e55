"""Rules and experiments lead a call to a model's route, and say how."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.config.catalog import Catalog
from chassis.config.models import Arm, Experiment, Model, Rule, Target
from chassis.config.providers import Provider
from chassis.routing.facts import Facts
from chassis.routing.resolution import Resolver, leads_on

SIM = Provider(name="sim", kind="simulated")


def model(name, *rules, experiment=None):
    led = [Rule(when=when, use=use) for when, use in rules]
    return Model(name=name, targets=[Target(provider="sim", model=name)], rules=led, experiment=experiment)


def halves(name, *uses, unit="user"):
    return Experiment(name=name, unit=unit, arms=[Arm(name=f"to-{use}", use=use) for use in uses])


def resolver(*models):
    return Resolver(Catalog(models, [SIM]), models)


def path(resolution):
    return [(step.of, step.rule, step.arm, step.use) for step in resolution.steps]


def test_without_rules_and_experiments_there_is_nothing_to_follow():
    models = [model("fast"), model("smart")]
    assert Resolver.of(Catalog(models, [SIM]), models) is None


def test_a_call_stays_where_no_rule_holds(facts):
    found = resolver(model("fast", ("size > 1000", "big")), model("big")).resolve("fast", facts())
    assert (found.route.name, found.model, found.steps) == ("fast", "fast", ())
    assert found.asked is found.route


def test_the_first_rule_that_holds_leads_on(facts):
    rules = [("'no' in tags", "a"), ("'beta' in tags", "b"), ("true", "c")]
    found = resolver(model("fast", *rules), model("a"), model("b"), model("c")).resolve("fast", facts(tags=("beta",)))
    assert path(found) == [("fast", 1, "", "b")]
    assert found.steps[0].when == "'beta' in tags"
    assert (found.asked.name, found.route.name, found.model) == ("fast", "b", "b")


def test_rules_go_before_the_experiment(facts):
    fast = model("fast", ("'beta' in tags", "b"), experiment=halves("tone", "a", "c"))
    models = resolver(fast, model("a"), model("b"), model("c"))
    assert models.resolve("fast", facts(tags=("beta",))).assignment is None
    assert models.resolve("fast", facts()).assignment.experiment == "tone"


def test_a_chain_is_followed_to_its_end(facts):
    fast, middle = model("fast", ("true", "middle")), model("middle", experiment=halves("tone", "end", "end"))
    found = resolver(fast, middle, model("end", ("false", "fast"))).resolve("fast", facts())
    assert [step[0] for step in path(found)] == ["fast", "middle"]
    assert (found.route.name, found.assignment.of) == ("end", "middle")


def test_a_rule_may_lead_to_what_only_a_wildcard_or_a_provider_answers_for(facts):
    found = resolver(model("fast", ("true", "sim/words=3"))).resolve("fast", facts())
    assert (found.route.name, found.model) == ("sim/*", "sim/words=3")
    assert [target.model for target in found.route.targets] == ["words=3"]


def test_a_wildcard_named_star_is_not_taken_for_what_has_no_entry(facts):
    star = model("*", ("model == 'x'", "sim/a"))
    assert resolver(star).resolve("x", facts(model="x")).model == "sim/a"
    assert Catalog([], [SIM]).find_route("sim/a").entry.rules == []


def test_a_rule_that_cannot_be_computed_counts_as_false_and_is_told_of(facts):
    heard = []
    fast = model("fast", ("request.nothing == 1", "a"), ("size", "a"), ("true", "b"))
    found = resolver(fast, model("a"), model("b")).resolve("fast", facts(), lambda *failure: heard.append(failure))
    assert found.model == "b"
    assert [failure[:3] for failure in heard] == [("fast", 0, "request.nothing == 1"), ("fast", 1, "size")]
    assert "KeyError" in heard[0][3]


def test_nothing_answers_for_an_unknown_model(facts):
    assert resolver(model("fast", ("true", "sim/a"))).resolve("nowhere", facts()) is None


def test_a_circle_that_was_never_checked_still_ends(facts):
    found = resolver(model("a", ("true", "b")), model("b", ("true", "a"))).resolve("a", facts())
    assert len(found.steps) == 16


EXPERIMENT = model("fast", experiment=halves("tone", "a", "b"))


@given(st.text(max_size=30), st.text(max_size=30))
def test_an_experiment_elsewhere_changes_nothing(user, other):
    call = Facts(
        model="fast",
        tenant="acme",
        key="ci",
        call_id="1",
        endpoint="",
        body=b"{}",
        read_document=lambda: {"user": user},
    )
    before = resolver(EXPERIMENT, model("a"), model("b"))
    elsewhere = model("else", experiment=halves(f"tone{other}x", "a", "b"))
    after = resolver(elsewhere, EXPERIMENT, model("a"), model("b"))
    assert before.resolve("fast", call) == after.resolve("fast", call)


def test_calls_are_divided_each_by_itself_where_the_unit_is_the_call(facts):
    models = resolver(model("fast", experiment=halves("tone", "a", "b", unit="call")), model("a"), model("b"))
    arms = Counter(models.resolve("fast", facts({"user": "ada"}, call_id=f"{n}")).model for n in range(400))
    assert min(arms["a"], arms["b"]) > 140


@pytest.mark.parametrize(("one", "leads"), [(model("a"), False), (model("a", ("true", "b")), True), (EXPERIMENT, True)])
def test_a_model_leads_on_by_rules_or_an_experiment(one, leads):
    assert leads_on(one) is leads
