"""What an experiment divides stays the same for as long as its unit does, and never mixes tenants."""

import pytest

from chassis.routing.units import read_opening, read_unit


@pytest.mark.parametrize(
    ("kind", "document", "unit"),
    [
        ("user", {"user": "ada"}, ("user", "acme", "ada")),
        ("user", {"safety_identifier": "ada", "user": "lovelace"}, ("user", "acme", "ada")),
        ("user", {"metadata": {"user_id": "ada"}}, ("user", "acme", "ada")),
        ("user", {"user": "", "metadata": {"user_id": "ada"}}, ("user", "acme", "ada")),
        ("user", {"user": 7, "metadata": None}, ("key", "acme", "ci")),
        ("user", {}, ("key", "acme", "ci")),
        ("conversation", {}, ("key", "acme", "ci")),
        ("key", {"user": "ada"}, ("key", "acme", "ci")),
        ("tenant", {"user": "ada"}, ("tenant", "acme")),
        ("call", {"user": "ada"}, ("call", "call-1")),
    ],
)
def test_a_unit_is_what_the_experiment_says_else_the_key(facts, kind, document, unit):
    assert read_unit(kind, facts(document)) == unit


def test_a_user_named_like_a_key_is_not_that_key(facts):
    assert read_unit("user", facts({"user": "ci"})) != read_unit("user", facts({}))


CHAT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]
PART, MARK = {"type": "text", "text": "Be brief."}, {"cache_control": {"type": "ephemeral"}}
IMAGE = {"type": "image", "source": {"type": "url", "url": "https://example.com/x.png"}}
LATER = [*CHAT, {"role": "assistant", "content": "Hi."}, {"role": "user", "content": "And now?"}]


@pytest.mark.parametrize(
    ("first", "later"),
    [
        ({"messages": CHAT}, {"messages": LATER, "temperature": 1}),
        ({"system": "Be brief.", "messages": CHAT[1:]}, {"system": "Be brief.", "messages": LATER[1:]}),
        ({"instructions": "Be brief.", "input": CHAT[1:]}, {"instructions": "Be brief.", "input": LATER[1:]}),
        (
            {"system": [PART | MARK], "messages": [{"role": "user", "content": [PART | MARK, IMAGE]}]},
            {"system": "Be brief.", "messages": [{"role": "user", "content": [PART, IMAGE | MARK]}, *LATER]},
        ),
        ({"prompt_cache_key": "c-1", "input": "a"}, {"prompt_cache_key": "c-1", "input": "b"}),
        ({"prompt": "Once"}, {"prompt": "Once", "seed": 7}),
    ],
)
def test_a_conversation_is_the_same_while_it_goes_on(facts, first, later):
    assert read_opening(first) == read_opening(later) != ""
    assert read_unit("conversation", facts(first)) == read_unit("conversation", facts(later))


@pytest.mark.parametrize(
    "other",
    [
        {"messages": [{"role": "system", "content": "Be long."}, CHAT[1]]},
        {"messages": [CHAT[0], {"role": "user", "content": "Hello!"}]},
        {"messages": CHAT[1:]},
    ],
)
def test_another_prompt_or_beginning_is_another_conversation(other):
    assert read_opening(other) != read_opening({"messages": CHAT})


@pytest.mark.parametrize(
    "document", [{}, {"messages": []}, {"input": None}, {"messages": 3, "input": {}}, {"input": ""}]
)
def test_what_is_no_conversation_has_no_beginning(facts, document):
    assert isinstance(read_opening(document), str)
    assert read_unit("conversation", facts({}))[0] == "key"
