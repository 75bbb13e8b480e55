"""Encryption is refused where its keys are none, or where it would protect nobody."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.config import ConfigError, Secret, parse_settings
from chassis.config.encryption import FORM, read_master_key

KEY, OTHER = bytes(range(32)), bytes(range(32, 64))
PLAIN = base64.b64encode(KEY).decode()


def problems_of(**encryption):
    try:
        parse_settings(f"cache:\n  encryption: {json.dumps(encryption)}", environment={})
    except ConfigError as error:
        return [str(problem) for problem in error.problems]
    return []


def outcome_of(text):
    try:
        return len(read_master_key(Secret(text)))
    except ValueError as error:
        return str(error)


@given(st.binary(min_size=32, max_size=32))
def test_a_key_is_read_from_base64_and_from_hex(key):
    standard, urlsafe = base64.b64encode(key).decode(), base64.urlsafe_b64encode(key).decode()
    for text in (standard, urlsafe, standard.rstrip("="), key.hex(), key.hex().upper(), f"{standard}\n"):
        assert read_master_key(Secret(text)) == key


@given(st.binary(max_size=80).filter(lambda key: len(key) != 32))
def test_a_key_of_another_size_is_none(key):
    for text in (base64.b64encode(key).decode(), key.hex()):
        with pytest.raises(ValueError, match="32 random bytes"):
            read_master_key(Secret(text))


@given(st.text(max_size=70))
def test_any_text_is_a_key_or_refused_without_being_quoted(text):
    assert outcome_of(text) in (32, FORM)


def test_good_keys_are_accepted():
    assert problems_of(master_key=PLAIN, previous_keys=[OTHER.hex()], tenants=["acme*"], near_tenants=["acme-eu"]) == []


def test_every_bad_key_is_refused_with_its_line_and_not_shown():
    problems = problems_of(master_key="canary-master", previous_keys=[PLAIN, "canary-previous"])
    assert [problem.partition(": must")[0] for problem in problems] == [
        "line 2: cache.encryption.master_key",
        "line 2: cache.encryption.previous_keys[1]",
    ]
    assert "canary" not in "".join(problems)


def test_a_previous_key_that_is_the_present_one_is_a_mistake():
    (problem,) = problems_of(master_key=PLAIN, previous_keys=[KEY.hex()])
    assert problem == "line 2: cache.encryption.previous_keys[0]: stands before already"


def test_encryption_needs_a_key():
    (problem,) = problems_of(tenants=["*"])
    assert problem == "line 2: cache.encryption: `master_key` is missing"


def test_encryption_of_nobody_is_a_mistake():
    first, second = problems_of(master_key=PLAIN, tenants=[], near_tenants=["acme"])
    assert first.startswith("line 2: cache.encryption.tenants: names nobody")
    assert second.startswith("line 2: cache.encryption.near_tenants: allows copies")
