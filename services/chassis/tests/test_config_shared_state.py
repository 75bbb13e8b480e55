"""What must hold for all edges is refused where their state is not shared."""

import pytest

from chassis.config import ConfigError, parse_settings
from chassis.config.shared_state import find_unshared_state, is_state_shared

STEP = "pipelines: {mine: [authenticate, validate, idempotency]}\n"
REDIS = "cache: {store: 'redis://127.0.0.1/0'}\n"
CLUSTER = "cache: {store: 'redis+cluster://a:7000,b:7000'}\n"
STATE_IN_CLUSTER = "cache: {state: {store: 'rediss+cluster://a'}}\n"
STATE_IN_REDIS = "cache: {state: {store: 'redis://127.0.0.1/0'}}\n"
STATE_IN_MEMORY = "cache: {store: 'redis://127.0.0.1/0', state: {store: memory}}\n"
REPLICAS = "mesh: {cache: {replicas: 2}}\n"
ENDPOINTS = "mesh: {cache: {endpoints: ['10.0.0.1:50051', '10.0.0.2:50051']}}\n"


def problems_of(text):
    try:
        parse_settings(text, environment={})
    except ConfigError as error:
        return [str(problem) for problem in error.problems]
    return []


@pytest.mark.parametrize(
    "text",
    [
        STEP,
        STEP + REDIS + REPLICAS,
        STEP + REDIS + ENDPOINTS,
        STEP + STATE_IN_REDIS + REPLICAS,
        STEP + CLUSTER + REPLICAS,
        STEP + STATE_IN_CLUSTER + REPLICAS,
        REPLICAS,
        ENDPOINTS,
    ],
    ids=[
        "one memory",
        "redis",
        "redis endpoints",
        "state in redis",
        "cluster",
        "state in cluster",
        "only answers",
        "only answers, endpoints",
    ],
)
def test_what_holds_is_accepted(text):
    assert problems_of(text) == []


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (STEP + REPLICAS, "line 2: mesh.cache.replicas: several replicas"),
        (STEP + ENDPOINTS, "line 2: mesh.cache.endpoints: several endpoints"),
        (STEP + STATE_IN_MEMORY + REPLICAS, "line 3: mesh.cache.replicas: several replicas"),
    ],
)
def test_a_pipeline_with_idempotency_needs_one_state(text, place):
    (problem,) = problems_of(text)
    assert problem.startswith(place)
    assert "`idempotency` in pipelines.mine must hold for all" in problem
    assert "set cache.state.store" in problem


def test_whoever_needs_shared_state_is_named():
    settings = parse_settings(REPLICAS, environment={})
    ((path, message),) = find_unshared_state(settings, "signatures")
    assert path == ("mesh", "cache", "replicas") and "signatures must hold for all" in message
    assert not is_state_shared(settings)
    assert list(find_unshared_state(parse_settings(REPLICAS + REDIS, environment={}), "signatures")) == []


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ("{ttl: 1s, max_answer: 1, join: false}", None),
        ("{ttl: 7d, max_answer: 15MiB}", None),
        ("{ttl: 500ms}", "idempotency.ttl: must be from 1s to 7d"),
        ("{ttl: 8d}", "idempotency.ttl: must be from 1s to 7d"),
        ("{ttl: soon}", "idempotency.ttl: Expected a duration"),
        ("{max_answer: 16MiB}", "idempotency.max_answer: must be at most 16773120 bytes"),
        ("{join: maybe}", "idempotency.join: Expected `bool`"),
        ("{joins: true}", "idempotency.joins: unknown key; known here: ttl, join, max_answer"),
    ],
)
def test_an_option_that_could_not_be_kept_is_refused(options, problem):
    found = problems_of(f"pipelines:\n  mine: [authenticate, validate, {{idempotency: {options}}}]\n")
    expected = [] if problem is None else [f"line 2: pipelines.mine[2].{problem}"]
    assert len(found) == len(expected)
    assert all(actual.startswith(wanted) for actual, wanted in zip(found, expected, strict=True))


def test_idempotency_stands_behind_what_says_what_is_asked():
    (problem,) = problems_of("pipelines:\n  mine: [authenticate, idempotency, validate]\n")
    assert "`idempotency` must stand after `validate`" in problem


def test_a_store_of_its_own_is_one_that_is_known():
    (problem,) = problems_of("cache: {state: {store: 'etcd://x'}}\n")
    assert problem.startswith("line 1: cache.state.store: 'etcd' is not one of: memory, redis://, rediss://")
