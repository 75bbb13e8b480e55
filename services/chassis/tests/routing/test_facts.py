"""What rules may name is there for every call, and costs nothing where no rule names it."""

import pytest

from chassis.routing.facts import SAMPLE, VARIABLES, Facts


def unread():
    raise AssertionError("nobody names the request")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model", "fast"),
        ("tenant", "acme"),
        ("key", "ci"),
        ("tags", ["beta"]),
        ("endpoint", "/v1/chat/completions"),
        ("stream", True),
        ("size", 48),
        ("tokens", 12),  # of four bytes each
        ("features", ["tools"]),
        ("user", "ada"),
        ("request", {"user": "ada", "tools": [{"type": "function"}]}),
    ],
)
def test_a_variable_says_what_the_call_is(facts, name, value):
    call = facts({"user": "ada", "tools": [{"type": "function"}]}, tags=("beta",), is_stream=True)
    assert VARIABLES[name](call) == value


@pytest.mark.parametrize("name", sorted(VARIABLES.keys() - {"user", "request"}))
def test_only_what_looks_into_the_request_decodes_it(facts, name):
    VARIABLES[name](facts({}, read_document=unread))


def test_of_a_form_only_its_size_is_known(facts):
    form = facts({"model": "m"}, body=b"--x\r\n", is_form=True)
    assert [VARIABLES[name](form) for name in ("size", "tokens", "features")] == [5, 0, []]


def test_the_sample_has_every_variable():
    assert SAMPLE.keys() == VARIABLES.keys()
    assert Facts.__doc__
