"""Warming at start is refused where it could not be done."""

import os
from pathlib import Path

import pytest

from chassis.config import ConfigError, parse_settings
from chassis.config.schema import Warming

TENANTS = "tenants: [{name: acme, keys: [{name: ci, secret: acme-key-0123456789}]}]\n"


@pytest.fixture
def questions(tmp_path) -> Path:
    path = tmp_path / "questions.jsonl"
    path.write_text("{}\n")
    return path


def problems_of(*warm: str, others: str = TENANTS) -> list[str]:
    text = f"{others}cache:\n  warm_on_startup: true\n  warm:\n    rate: 5\n" + "".join(
        f"    {line}\n" for line in warm
    )
    try:
        parse_settings(text, environment={})
    except ConfigError as error:
        return [str(problem) for problem in error.problems]
    return []


def test_a_file_and_a_tenant_are_enough(questions):
    assert problems_of(f"file: {questions}", "tenant: acme") == []
    assert problems_of(f"file: {questions}", "tenant: acme", "key: ci") == []


def test_what_is_missing_is_named():
    assert problems_of() == [
        "line 3: cache.warm_on_startup: needs `cache.warm.file`",
        "line 3: cache.warm_on_startup: needs `cache.warm.tenant`",
    ]


def test_a_file_that_cannot_be_read_is_told_of_with_its_line(questions, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (tmp_path / "absent", tmp_path, pipe):
        (problem,) = problems_of(f"file: {path}", "tenant: acme")
        assert problem.startswith(f"line 6: cache.warm.file: cannot be read: {path}")


def test_it_is_somebody_who_asks(questions):
    assert problems_of(f"file: {questions}", "tenant: acne") == ["line 7: cache.warm.tenant: there is no tenant 'acne'"]
    assert problems_of(f"file: {questions}", "tenant: acme", "key: cd") == [
        "line 8: cache.warm.key: the tenant 'acme' has no key 'cd'"
    ]


def test_the_development_tenant_is_made_later(questions):
    assert problems_of(f"file: {questions}", "tenant: development", others="") == []


def test_what_is_not_asked_for_is_not_looked_at():
    settings = parse_settings("cache: {warm: {file: /absent, tenant: nobody}}", environment={})
    assert settings.cache.warm == Warming(file="/absent", tenant="nobody")


def test_records_hold_no_questions_unless_that_is_asked_for():
    """And nothing else can be asked for."""
    assert parse_settings("{}", environment={}).audit.capture == "nothing"
    assert parse_settings("audit: {capture: questions}", environment={}).audit.capture == "questions"
    with pytest.raises(ConfigError, match=r"audit\.capture"):
        parse_settings("audit: {capture: answers}", environment={})
