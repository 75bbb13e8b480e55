"""What is found behind a name is judged by the rules that the configuration is checked by."""

import pytest

from chassis.config import parse_settings
from chassis.config.replicas import find_unshared
from chassis.config.shared_state import is_state_shared

REDIS = "{store: 'redis://127.0.0.1/0'}"
NAMES = "mesh: {ratelimit: {endpoints: [limits.mesh]}, cache: {endpoints: [cache.mesh]}, audit: {endpoints: [audit.mesh]}}\n"
STEP = "pipelines: {mine: [authenticate, validate, idempotency]}\n"


def found(text, service, count):
    return find_unshared(parse_settings(NAMES + text, environment={}), service, count)


@pytest.mark.parametrize(
    ("text", "service", "reason"),
    [
        ("", "ratelimit", "several replicas cannot share the store 'memory'; set ratelimit.store to a Redis"),
        ("", "audit", "several replicas cannot share the store 'sqlite'; set audit.store to a PostgreSQL"),
        (STEP, "cache", "`idempotency` in pipelines.mine must hold for all; set cache.state.store"),
    ],
)
def test_one_is_right_and_several_that_share_nothing_are_not(text, service, reason):
    assert [found(text, service, count) for count in (0, 1)] == [[], []]
    for count in (2, 7):
        [said] = found(text, service, count)
        assert reason in said


@pytest.mark.parametrize(
    ("text", "service"),
    [
        (f"ratelimit: {REDIS}", "ratelimit"),
        (f"{STEP}cache: {REDIS}", "cache"),
        ("", "cache"),
        ("", "provider"),
    ],
    ids=["limits in redis", "state in redis", "answers only", "providers"],
)
def test_several_that_share_or_need_not_are_right(text, service):
    assert found(text, service, 5) == []


def test_rooms_are_shared_by_as_many_caches_as_there_are():
    memory, redis = (parse_settings(NAMES + text) for text in ("", f"cache: {REDIS}"))
    assert [is_state_shared(memory, count) for count in (0, 1, 2)] == [True, True, False]
    assert is_state_shared(redis, 2)
