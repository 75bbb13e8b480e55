"""Spans are read by today's names or by those before."""

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.conventions import choose_naming, describe_rpc, name_attributes

METHOD = "runestone.cache.v1.CacheService/LookUp"
TODAY = {
    "gen_ai.provider.name": "openai",
    "gen_ai.usage.input_tokens": 3,
    "gen_ai.usage.output_tokens": 5,
    "gen_ai.request.seed": 7,
    "gen_ai.request.model": "m",
    **describe_rpc(METHOD),
    "rpc.response.status_code": "UNAVAILABLE",
}
BEFORE = {
    "gen_ai.system": "openai",
    "gen_ai.usage.input_tokens": 3,
    "gen_ai.usage.prompt_tokens": 3,
    "gen_ai.usage.output_tokens": 5,
    "gen_ai.usage.completion_tokens": 5,
    "gen_ai.openai.request.seed": 7,
    "gen_ai.request.model": "m",
    "rpc.system": "grpc",
    "rpc.service": "runestone.cache.v1.CacheService",
    "rpc.method": "LookUp",
    "rpc.grpc.status_code": 14,
}


def test_the_names_of_before_stand_in_place_of_todays_or_beside_them():
    """`rpc.method` means something else today: beside each other, today holds."""
    assert name_attributes(TODAY, "current") == TODAY
    assert name_attributes(TODAY, "legacy") == BEFORE
    assert name_attributes(TODAY, "both") == {**BEFORE, **TODAY}


@pytest.mark.parametrize("code", list(grpc.StatusCode))
def test_every_status_has_the_number_that_grpc_gives_it(code):
    assert name_attributes({"rpc.response.status_code": code.name}, "legacy") == {"rpc.grpc.status_code": code.value[0]}


@given(st.dictionaries(st.text(), st.integers() | st.text()))
def test_what_has_one_name_keeps_it(attributes):
    kept = {f"runestone.{name}": value for name, value in attributes.items()}
    for naming in ("current", "legacy", "both"):
        assert name_attributes(kept, naming) == kept


@pytest.mark.parametrize(
    ("configured", "opted_in", "chosen"),
    [
        ("current", "", "current"),
        ("legacy", "", "legacy"),
        ("both", "http/dup,database", "both"),
        ("legacy", "gen_ai_latest_experimental", "current"),
        ("both", "http, gen_ai_latest_experimental", "current"),
        ("legacy", "gen_ai_latest_experimental_2", "legacy"),
    ],
)
def test_whoever_opts_in_to_todays_names_gets_those_alone(configured, opted_in, chosen):
    assert choose_naming(configured, opted_in) == chosen
