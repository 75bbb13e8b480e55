"""Rules and experiments that could not be followed are errors of the configuration, with their place."""

import textwrap

import pytest

from chassis.config import ConfigError, parse_settings

PROVIDERS = "providers: [{name: sim, kind: simulated}]\nmodels:\n"
PLAIN = "  - {name: smart, targets: [{provider: sim, model: s}]}\n"


def read(models):
    return parse_settings(PROVIDERS + PLAIN + textwrap.indent(textwrap.dedent(models), "  "), environment={})


def problems_of(models):
    with pytest.raises(ConfigError) as caught:
        read(models)
    return [str(problem).partition("models[")[2] for problem in caught.value.problems]


def fast(rest):
    return f"- {{name: fast, targets: [{{provider: sim, model: f}}], {rest}}}\n"


def test_rules_and_an_experiment_that_can_be_followed_are_taken():
    settings = read(
        fast("rules: [{when: \"'beta' in tags\", use: smart}, {when: size > 9, use: sim/words=3}]")
        + "- {name: trial, experiment: {name: tone, arms: [{name: old, use: fast}, {name: new, use: smart, weight: 0}]}}\n"
    )
    assert settings.models[1].rules[1].use == "sim/words=3"
    assert settings.models[2].experiment.unit == "user"


@pytest.mark.parametrize(
    ("rest", "problem"),
    [
        ("rules: [{when: 'size >', use: smart}]", "1].rules[0].when: line 1, column 7: mismatched input"),
        (
            "rules: [{when: siez > 3, use: smart}]",
            "1].rules[0].when: there is no variable 'siez'; known here: endpoint,",
        ),
        ("rules: [{when: size, use: smart}]", "1].rules[0].when: is neither true nor false, but int"),
        ("rules: [{when: 'true', use: other}]", "1].rules[0].use: there is no model 'other'"),
        ("rules: [{when: 'true', use: nowhere/m}]", "1].rules[0].use: there is no model 'nowhere/m'"),
        ("rules: [{when: 'true', use: sim/*}]", "1].rules[0].use: must name one model, without `*`"),
        ("rules: [{when: 'true', use: fast}]", "1]: leads back to itself: fast -> fast"),
        ("rules: [{when: '', use: smart}]", "1].rules[0].when: Expected `str` of length >= 1"),
        ("experiment: {name: t, arms: [{name: a, use: smart}]}", "1].experiment.arms: Expected `array` of length >= 2"),
        (
            "experiment: {name: t, arms: [{name: a, use: smart}, {name: a, use: other}]}",
            "1].experiment.arms[0].name: 'a' stands 2 times",
        ),
        (
            "experiment: {name: t, arms: [{name: a, use: smart, weight: 0}, {name: b, use: smart, weight: 0}]}",
            "1].experiment.arms: every weight is 0",
        ),
        (
            "experiment: {name: t, arms: [{name: a, use: smart}, {name: b, use: other}]}",
            "1].experiment.arms[1].use: there is no model 'other'",
        ),
    ],
)
def test_what_could_not_be_followed_is_refused_with_its_place(rest, problem):
    assert problems_of(fast(rest))[0].startswith(problem)


def test_a_circle_is_named_at_every_model_in_it():
    models = (
        fast("rules: [{when: 'true', use: middle}]")
        + "- {name: middle, experiment: {name: t, arms: [{name: a, use: smart}, {name: b, use: last}]}}\n"
        + "- {name: last, targets: [{provider: sim, model: l}], rules: [{when: 'true', use: fast}]}\n"
        + "- {name: before, targets: [{provider: sim, model: l}], rules: [{when: 'true', use: fast}]}\n"
    )
    assert problems_of(models) == [
        "1]: leads back to itself: fast -> middle -> last -> fast",
        "2]: leads back to itself: middle -> last -> fast -> middle",
        "3]: leads back to itself: last -> fast -> middle -> last",
    ]


def test_a_wildcard_that_its_own_rule_leads_to_is_a_circle():
    models = "- {name: 'sim/*', rules: [{when: 'true', use: sim/words=3}]}\n"
    assert problems_of(models) == ["1]: leads back to itself: sim/* -> sim/*"]


def test_an_arm_must_not_lead_to_another_experiment_but_a_rule_may():
    trial = "- {name: trial, experiment: {name: tone, arms: [{name: a, use: smart}, {name: b, use: smart}]}}\n"
    outer = "- {name: outer, experiment: {name: outer, arms: [{name: a, use: smart}, {name: b, use: way}]}}\n"
    way = "- {name: way, targets: [{provider: sim, model: w}], rules: [{when: 'true', use: trial}]}\n"
    read(trial + way)
    assert problems_of(trial + way + outer) == [
        "3].experiment: leads to the experiment of 'trial'; a call is part of one at most"
    ]


def test_experiments_are_told_apart_by_name():
    arms = "arms: [{name: a, use: smart}, {name: b, use: smart}]"
    models = f"- {{name: x, experiment: {{name: t, {arms}}}}}\n- {{name: y, experiment: {{name: t, {arms}}}}}\n"
    assert problems_of(models) == ["1].experiment.name: 't' stands 2 times", "2].experiment.name: 't' stands 2 times"]


def test_a_fallback_needs_targets_of_its_own():
    trial = "- {name: trial, experiment: {name: tone, arms: [{name: a, use: smart}, {name: b, use: smart}]}}\n"
    problem = "1].fallbacks[0]: 'trial' has an experiment and no targets of its own; name one of its arms' models"
    assert problems_of(fast("fallbacks: [trial]") + trial) == [problem]


def test_a_way_is_of_sixteen_models_at_most():
    def chain(length):
        steps = [
            f"- {{name: m{n}, targets: [{{provider: sim, model: m}}], rules: [{{when: 'true', use: m{n + 1}}}]}}\n"
            for n in range(length)
        ]
        return "".join(steps) + f"- {{name: m{length}, targets: [{{provider: sim, model: m}}]}}\n"

    read(chain(16))
    assert problems_of(chain(17)) == ["1]: leads over more than 16 models"]
