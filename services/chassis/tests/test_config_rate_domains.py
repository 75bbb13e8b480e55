"""Domains of descriptors: what is written as envoyproxy/ratelimit writes it, and what could not mean anything."""

import msgspec
import pytest

from chassis.config import ConfigError, decode, encode, parse_settings

EXAMPLE = """
ratelimit:
  domains:
    - domain: front
      descriptors:
        - key: remote_address
          rate_limit: {unit: second, requests_per_unit: 100, name: one address}
        - key: remote_address
          value: 10.*
          rate_limit: {unlimited: true}
        - key: path
          value: /v1/chat/completions
          descriptors:
            - key: remote_address
              shadow_mode: true
              rate_limit: {unit: minute, requests_per_unit: 0}
"""


def problems_of(text):
    with pytest.raises(ConfigError) as caught:
        parse_settings(text, environment={})
    return [str(problem) for problem in caught.value.problems]


def with_descriptors(text):
    return f"ratelimit: {{domains: [{{domain: front, descriptors: {text}}}]}}"


def test_descriptors_lie_in_one_another_and_survive_the_snapshot():
    settings = parse_settings(EXAMPLE, environment={})
    [domain] = settings.ratelimit.domains
    inner = domain.descriptors[2].descriptors[0]
    assert (inner.key, inner.shadow_mode, inner.rate_limit.requests_per_unit) == ("remote_address", True, 0)
    assert decode(encode(settings, reveal=True)) == settings


LIMIT = "rate_limit: {unit: day, requests_per_unit: 1}"


@pytest.mark.parametrize(
    ("descriptors", "problem"),
    [
        ("[{key: a, kee: b}]", "domains[0].descriptors[0].kee: unknown key; known here: key, value"),
        ("[{value: a}]", "domains[0].descriptors[0]: `key` is missing"),
        ("[{key: ''}]", "domains[0].descriptors[0].key: Expected `str` of length >= 1"),
        ("[{key: a, descriptors: [{key: b, replaces: []}]}]", "descriptors[0].descriptors[0].replaces: unknown key"),
        ("[{key: a, rate_limit: {unit: fortnight, requests_per_unit: 1}}]", "rate_limit.unit: Invalid enum value"),
        ("[{key: a, rate_limit: {unit: day, requests_per_unit: -1}}]", "requests_per_unit: Expected `int` >= 0"),
        ("[{key: a, rate_limit: {unit: day}}]", "rate_limit: needs `requests_per_unit` and `unit`, or `unlimited"),
        ("[{key: a, rate_limit: {unlimited: true, unit: day}}]", "unlimited: an unlimited one has no unit"),
        ("[{key: a, shadow_mode: true}]", "shadow_mode: there is no limit here that could refuse"),
    ],
)
def test_what_could_not_mean_anything_is_refused_at_its_place(descriptors, problem):
    [found] = problems_of(with_descriptors(descriptors))
    assert problem in found


def test_what_matches_the_same_is_refused_at_each_place():
    found = problems_of(with_descriptors(f"[{{key: a, value: b, {LIMIT}}}, {{key: a}}, {{key: a, value: b}}]"))
    assert [problem.partition(": key ")[0].rpartition(".")[2] for problem in found] == [
        "descriptors[0]",
        "descriptors[2]",
    ]
    assert "key 'a' with value 'b' stands 2 times on this level" in found[0]
    twice = problems_of("ratelimit: {domains: [{domain: a}, {domain: b}, {domain: a}]}")
    assert [problem.rpartition(":")[2] for problem in twice] == [" 'a' stands 2 times"] * 2


@pytest.mark.parametrize("depth", [11, 12, 60, 150])
def test_descriptors_have_a_depth_that_is_bounded(depth):
    nested = "[{key: a, descriptors: " * (depth - 1) + "[{key: a}]" + "}]" * (depth - 1)
    [problem] = problems_of(with_descriptors(nested))
    assert "nested more than 10 deep" in problem


def test_ten_levels_are_not_too_many():
    nested = "[{key: a, descriptors: " * 9 + "[{key: a}]" + "}]" * 9
    assert parse_settings(with_descriptors(nested), environment={}).ratelimit.domains


def test_the_default_is_no_domain():
    assert parse_settings(msgspec.json.encode({}).decode()).ratelimit.domains == []
