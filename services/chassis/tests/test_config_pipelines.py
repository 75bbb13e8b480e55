"""A pipeline that is accepted works: its steps exist, their options mean something, and each finds what it needs."""

import pytest

from chassis.config import ConfigError, parse_settings


def problems_of(steps: str) -> list[str]:
    """What is wrong with a default pipeline, a step a line, from line 3 on; [] when nothing is."""
    lines = "".join(f"    - {step}\n" for step in steps.split("; ") if step)
    try:
        parse_settings(f"pipelines:\n  default:\n{lines}" if lines else "pipelines: {default: []}", environment={})
    except ConfigError as error:
        return list(map(str, error.problems))
    return []


@pytest.mark.parametrize(
    "steps",
    [
        "authenticate; validate",
        "authenticate; validate; rate_limit; cache; usage; audit; request_logger",
        "authenticate; audit; validate; cache; rate_limit",
        "{authenticate: null}; {validate: {}}; {rate_limit: {requests_per_minute: 1}}; {cache: {ttl: 1ms}}",
        "authenticate; validate; {rate_limit: {requests_per_minute: null}}; {cache: }",
        "authenticate; {validate: {strict: true}}",
    ],
)
def test_what_works_is_accepted(steps):
    assert problems_of(steps) == []


@pytest.mark.parametrize(
    ("step", "problem"),
    [
        (
            "{rate_limit: {requests_per_minute: abc}}",
            "rate_limit.requests_per_minute: Expected `int | null`, got `str`",
        ),
        ("{rate_limit: {requests_per_minute: 0}}", "rate_limit.requests_per_minute: Expected `int` >= 1"),
        ("{rate_limit: {requests_per_minut: 5}}", "rate_limit.requests_per_minut: unknown key; known here: requests_"),
        ("{cache: {ttl: banana}}", "cache.ttl: Expected a duration such as 500ms, 30s, 10m, 1h"),
        ("{cache: {ttl: null}}", "cache.ttl: Expected a duration such as 500ms, 30s, 10m, 1h"),
        ("{cache: {ttl: 0s}}", "cache.ttl: must be at least 1ms; leave out `cache` to keep nothing"),
        ("{cache: {size: 5}}", "cache.size: unknown key; known here: ttl"),
        ("{audit: {to: disk}}", "audit.to: unknown key; known here: none"),
    ],
)
def test_an_option_that_means_nothing_is_refused_where_it_stands(step, problem):
    (found,) = problems_of(f"authenticate; validate; {step}")
    assert found.startswith(f"line 5: pipelines.default[2].{problem}")


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ("authenticate; validate; guess", "line 5: pipelines.default[2]: there is no middleware 'guess'"),
        ("authenticate; validate; {cache: {}, audit: {}}", "line 5: pipelines.default[2]: must be a name, or one name"),
        ("authenticate", "line 3: pipelines.default: leaves out `validate`"),
        ("validate", "line 3: pipelines.default: leaves out `authenticate`"),
        ("validate; authenticate", "line 4: pipelines.default[1]: `authenticate` must be the first step"),
        ("usage; authenticate; validate", "line 4: pipelines.default[1]: `authenticate` must be the first step"),
        ("authenticate; cache; validate", "line 4: pipelines.default[1]: `cache` must stand after `validate`"),
        (
            "authenticate; rate_limit; validate",
            "line 4: pipelines.default[1]: `rate_limit` must stand after `validate`",
        ),
        ("authenticate; validate; cache; {cache: {ttl: 5m}}", "line 6: pipelines.default[3]: `cache` stands 2 times"),
        ("authenticate; validate; authenticate", "line 5: pipelines.default[2]: `authenticate` stands 2 times"),
    ],
)
def test_an_order_that_could_not_work_is_refused(steps, expected):
    (found,) = problems_of(steps)
    assert found.startswith(expected)


def test_an_empty_pipeline_would_let_everybody_in():
    assert [problem.partition("`")[2].partition("`")[0] for problem in problems_of("")] == ["authenticate", "validate"]
