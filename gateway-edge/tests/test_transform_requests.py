"""What a transform makes of a request: each change does what it says, in the order of the list, and to this call alone."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.config.shapes import convert
from chassis.config.transform import TransformOptions
from gateway_edge.transform.facts import Facts
from gateway_edge.transform.requests import RequestPlan

Json = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
Documents = st.dictionaries(st.sampled_from("abc"), Json, max_size=3)
Paths = st.sampled_from(["a", "b", "a.b", "a.b.c", "a[0]", "a[-1].b", "a[*]", "a[*].c", "b[*].a[0]", "c.a[1]"])


def plan_of(*changes: dict[str, Any]) -> RequestPlan:
    return RequestPlan(convert({"request": list(changes)}, TransformOptions).request)


def facts_about(document: dict[str, Any], **known: Any) -> Facts:
    about = {"tenant": "acme", "key": "ci", "request_id": "req_1", "metadata": {"team": "blue"}, "headers": {}} | known
    return Facts(document=document, **about)


def change(document: dict[str, Any], *changes: dict[str, Any], **known: Any) -> bool:
    work = plan_of(*changes).change(document, facts_about(document, **known))
    while True:
        try:
            next(work)
        except StopIteration as done:
            return done.value


def changed(document: dict[str, Any], *changes: dict[str, Any], **known: Any) -> dict[str, Any]:
    change(document, *changes, **known)
    return document


@pytest.mark.parametrize(
    ("document", "said", "expected"),
    [
        ({}, {"set": {"path": "a", "value": 1}}, {"a": 1}),
        ({"a": {"x": 1}}, {"set": {"path": "a.b.c", "value": [1]}}, {"a": {"x": 1, "b": {"c": [1]}}}),
        ({"a": "in the way"}, {"set": {"path": "a.b", "value": 1}}, {"a": {"b": 1}}),
        ({"a": None}, {"set": {"path": "a.b", "value": 1}}, {"a": {"b": 1}}),
        ({"a": []}, {"set": {"path": "a.b", "value": 1}}, {"a": {"b": 1}}),
        ({"a": [1, 2]}, {"set": {"path": "a[*]", "value": 0}}, {"a": [0, 0]}),
        ({"a": [1, 2]}, {"set": {"path": "a[-1]", "value": 0}}, {"a": [1, 0]}),
        ({"a": [1]}, {"set": {"path": "a[1]", "value": 0}}, {"a": [1]}),
        ({"a": 1}, {"set": {"path": "a[0]", "value": 0}}, {"a": 1}),
        ({"a": True}, {"set": {"path": "a", "value": 1}}, {"a": 1}),
        ({}, {"default": {"path": "a", "value": 1}}, {"a": 1}),
        ({"a": None}, {"default": {"path": "a", "value": 1}}, {"a": 1}),
        ({"a": 0}, {"default": {"path": "a", "value": 1}}, {"a": 0}),
        ({"a": "x"}, {"default": {"path": "a.b", "value": 1}}, {"a": "x"}),
        ({"a": None}, {"default": {"path": "a.b", "value": 1}}, {"a": {"b": 1}}),
        ({"a": [None, 2]}, {"default": {"path": "a[*]", "value": 1}}, {"a": [1, 2]}),
        ({"a": 1, "b": 2}, {"rename": {"from": "a", "to": "b"}}, {"b": 1}),
        ({"b": 2}, {"rename": {"from": "a", "to": "b"}}, {"b": 2}),
        ({"a": None}, {"rename": {"from": "a", "to": "b"}}, {"b": None}),
        ({"a": 1}, {"rename": {"from": "a", "to": "b.c"}}, {"b": {"c": 1}}),
        ({"a": [{"x": 1}, {}, 3]}, {"rename": {"from": "a[*].x", "to": "a[*].y"}}, {"a": [{"y": 1}, {}, 3]}),
        ({"a": 1, "b": 2}, {"remove": {"path": "a"}}, {"b": 2}),
        ({"a": [1, 2, 3]}, {"remove": {"path": "a[*]"}}, {"a": []}),
        ({"a": [{"b": 1}, {"c": 2}]}, {"remove": {"path": "a[*].b"}}, {"a": [{}, {"c": 2}]}),
        ({"a": 1}, {"remove": {"path": "a.b.c"}}, {"a": 1}),
        ({"model": "gpt-4o"}, {"model": {"from": "gpt-4*", "to": "fast"}}, {"model": "fast"}),
        ({"model": "gpt-4"}, {"model": {"from": "gpt-4*", "to": "x/gpt-4*"}}, {"model": "x/gpt-4"}),
        ({"model": "gpt-4o"}, {"model": {"from": "gpt-*", "to": "x/*"}}, {"model": "x/4o"}),
        ({"model": "gpt-4o"}, {"model": {"from": "gpt-4", "to": "fast"}}, {"model": "gpt-4o"}),
        ({"model": 4}, {"model": {"from": "*", "to": "fast"}}, {"model": 4}),
        ({}, {"model": {"from": "*", "to": "fast"}}, {}),
    ],
)
def test_what_a_change_does(document, said, expected):
    before = deepcopy(document)
    assert change(document, said) == (document != before or type(before.get("a")) is not type(document.get("a")))
    assert document == expected
    assert [type(value) for value in document.values()] == [type(value) for value in expected.values()]


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([], [{"role": "system", "content": "Be kind."}]),
        ([{"role": "user", "content": "hi"}], [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "hi"}]),
        ([{"role": "system", "content": "Be brief."}], [{"role": "system", "content": "Be kind.\n\nBe brief."}]),
        ([{"role": "developer", "content": None}], [{"role": "developer", "content": "Be kind."}]),
        (
            [{"role": "system", "content": [{"type": "text", "text": "Be brief."}]}],
            [{"role": "system", "content": [{"type": "text", "text": "Be kind."}, {"type": "text", "text": "Be brief."}]}],
        ),
        ("no list", "no list"),
    ],
)  # fmt: skip
def test_the_system_prompt_begins_with_the_operators_words(messages, expected):
    said = {"system_prompt": {"prefix": "Be kind."}}
    assert changed({"messages": messages}, said) == {"messages": expected}


def test_a_template_knows_the_call_and_its_owner():
    text = "{tenant}/{key} {request_id} {model} {metadata.team}{metadata.none} {header.X-Team} {{}}"
    said = {"template": {"path": "metadata.by", "text": text}}
    document = changed({"model": "fast"}, said, headers={"x-team": "caf\udce9"})
    assert document["metadata"] == {"by": "acme/ci req_1 fast blue caf? {}"}


def test_changes_are_made_in_the_order_of_the_list():
    changes = (
        {"model": {"from": "gpt-4*", "to": "fast"}},
        {"template": {"path": "user", "text": "{model}"}},
        {"set": {"path": "model", "value": "other"}},
        {"rename": {"from": "user", "to": "asked"}},
    )
    assert changed({"model": "gpt-4o"}, *changes) == {"model": "other", "asked": "fast"}


def test_headers_are_changed_for_the_steps_behind():
    document: dict[str, Any] = {}
    facts = facts_about(document, headers={"x-old": "1", "accept": "*/*"})
    plan = plan_of({"header": {"set": {"X-New": "{tenant}"}, "remove": ["X-Old", "x-none"]}})
    assert not plan.reads_document
    assert list(plan.change(document, facts)) == []
    assert facts.headers == {"x-new": "acme", "accept": "*/*"}
    assert document == {}


def test_one_calls_change_is_not_seen_by_the_next():
    """The value in the configuration is one object; calls get copies of it."""
    plan = plan_of(
        {"set": {"path": "metadata", "value": {"seen": []}}},
        {"template": {"path": "metadata.by", "text": "{request_id}"}},
    )
    first: dict[str, Any] = {}
    for document, name in ((first, "req_1"), ({}, "req_2")):
        list(plan.change(document, facts_about(document, request_id=name)))
        document["metadata"]["seen"].append(name)
    assert first == {"metadata": {"seen": ["req_1"], "by": "req_1"}}
    assert document == {"metadata": {"seen": ["req_2"], "by": "req_2"}}


def test_what_is_set_in_several_places_is_not_shared_by_them():
    document = changed({"a": [{}, {}]}, {"set": {"path": "a[*].b", "value": {"c": 1}}})
    document["a"][0]["b"]["c"] = 2
    assert document["a"][1] == {"b": {"c": 1}}


SECRET = {"redact": {"pattern": r"\bsk-[a-z0-9]{6,20}\b"}}


def test_a_request_is_redacted_in_all_its_messages_and_their_tool_calls():
    arguments = '{"token": "sk-abc123"}'
    messages = [
        {"role": "user", "content": "my key is sk-abc123."},
        {
            "role": "user",
            "content": [{"type": "text", "text": "sk-abc123"}, {"type": "image_url", "image_url": {"url": "x"}}],
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "sk-abc123", "function": {"arguments": arguments}}],
        },
    ]
    document = changed({"user": "sk-abc123", "messages": messages}, SECRET)
    assert document["user"] == "sk-abc123"
    assert document["messages"][0]["content"] == "my key is [redacted]."
    assert document["messages"][1]["content"][0] == {"type": "text", "text": "[redacted]"}
    call = document["messages"][2]["tool_calls"][0]
    assert call == {"id": "sk-abc123", "function": {"arguments": '{"token": "[redacted]"}'}}


def test_a_text_that_the_path_names_is_redacted_whatever_its_name():
    said = {"redact": {"pattern": "[0-9]{3}", "with": "#", "in": "messages[*].name"}}
    document = {"messages": [{"name": "a123", "content": "123"}, {"name": 5}, "x"]}
    assert changed(document, said) == {"messages": [{"name": "a#", "content": "123"}, {"name": 5}, "x"]}


def test_a_request_in_which_nothing_is_found_is_not_written_again():
    assert change({"messages": [{"content": "nothing"}], "user": "u"}, SECRET, {"remove": {"path": "usr"}}) is False


def test_others_have_their_turn_while_a_long_text_is_searched():
    document = {"messages": [{"content": "x sk-abc123 " * 10_000}]}
    work = plan_of(SECRET).change(document, facts_about(document))
    assert sum(1 for _ in work) > 50
    assert document == {"messages": [{"content": "x [redacted] " * 10_000}]}


@given(Documents, Paths, Json)
def test_what_was_set_and_removed_leaves_a_document_that_had_room_for_it_as_it_was(document, path, value):
    """Where nothing stood and nothing stood in the way."""
    before = deepcopy(document)
    set_first = changed(document, {"set": {"path": path, "value": value}})
    if path.isalpha() and path not in before:
        assert changed(set_first, {"remove": {"path": path}}) == before


@given(Documents, Paths, Json)
def test_a_default_never_changes_what_is_there_and_is_there_afterwards(document, path, value):
    before = deepcopy(document)
    said = {"default": {"path": path, "value": value}}
    after = changed(document, said)
    if path.isalpha():
        assert after == before | {path: value if before.get(path) is None else before[path]}
    if value is not None:
        assert change(deepcopy(after), said) is False


@given(Documents, Paths, Json)
def test_setting_twice_is_setting_once(document, path, value):
    said = {"set": {"path": path, "value": value}}
    once = changed(document, said)
    assert changed(deepcopy(once), said) == once


@given(Documents, st.sampled_from(["a", "b.c", "c.a"]), st.sampled_from(["b", "c.b", "a.a"]))
def test_renaming_moves_a_value_and_loses_none(document, origin, target):
    """What was at `from` is at `to`; where there was nothing, nothing happens."""
    before = deepcopy(document)
    holder, value = before, None
    *way, last = origin.split(".")
    for part in way:
        holder = holder.get(part) if isinstance(holder, dict) else None
    is_there = isinstance(holder, dict) and last in holder
    value = holder[last] if is_there else None
    after = changed(document, {"rename": {"from": origin, "to": target}})
    found: Any = after
    if is_there:
        for part in target.split("."):
            found = found[part]
    assert found == (value if is_there else before)
