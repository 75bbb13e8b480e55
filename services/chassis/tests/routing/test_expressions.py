"""Conditions say true or false, or why they cannot."""

import re
import subprocess
import sys

import pytest

from chassis.routing.expressions import FUNCTIONS, Expression, ExpressionError, Scene
from chassis.routing.facts import SAMPLE, VARIABLES

CALL = SAMPLE | {
    "tags": ["beta"],
    "size": 1200,
    "user": "ada",
    "features": ["tools", "vision"],
    "request": {
        "tools": [{"type": "function"}],
        "messages": [{"role": "user", "content": "hello"}],
        "temperature": 0.5,
    },
}


def holds(text, call=CALL):
    return Expression(text, VARIABLES).holds(Scene(call.__getitem__))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("true", True),
        ("size > 1000", True),
        ("size > 1000 && !stream", True),
        ("'beta' in tags", True),
        ("'gamma' in tags", False),
        ("'vision' in features || tokens > 100000", True),
        ("user.startsWith('a') && user.matches('^[a-z]+$')", True),
        ("tags.exists(tag, tag.startsWith('be'))", True),
        ("tags.all(size, size == 'beta')", True),  # a name of its own, whatever else is called so
        ("has(request.tools) && request.tools.size() > 0", True),
        ("has(request.seed)", False),
        ("request.temperature < 1.0", True),
        ("request.messages.filter(m, m.role == 'user').size() == 1", True),
    ],
)
def test_a_condition_is_true_or_false(text, expected):
    assert holds(text) is expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("size >", "line 1, column 7: mismatched input '<EOF>'"),
        ("true &&\n&& true", "line 2, column 1: extraneous input '&&'"),
        ("siez > 3", "there is no variable 'siez'; known here: endpoint, features, key, model"),
        ("tags.exists(tag, tga == 'x')", "there is no variable 'tga'"),
        ("user.lowerAscii() == 'a'", "there is no function 'lowerAscii'; known here: bytes, contains"),
        ("(" * 2000 + "true" + ")" * 2000, "line 1, column"),
    ],
)
def test_a_text_that_is_no_condition_is_refused_with_its_place(text, why):
    with pytest.raises(ExpressionError, match=re.escape(why)):
        Expression(text, VARIABLES)


@pytest.mark.parametrize(
    "text", ["request.user == 'x'", "request.messages[7].content == 'x'", "1 / (size - 1200) > 1", "int(user) > 3"]
)
def test_what_this_call_has_not_got_cannot_be_computed(text):
    with pytest.raises(ExpressionError):
        holds(text)


@pytest.mark.parametrize("text", ["user", "size", "null", "tags"])
def test_what_is_neither_true_nor_false_is_no_answer(text):
    with pytest.raises(ExpressionError, match="is neither true nor false, but"):
        holds(text)


@pytest.mark.parametrize("text", ["size", "user < 3", "user.matches('(')", "tokens * 1.5 > 3.0"])
def test_what_no_call_could_make_true_or_false_is_found_with_a_sample(text):
    with pytest.raises(ExpressionError):
        Expression(text, VARIABLES).judge(SAMPLE)


@pytest.mark.parametrize(
    "text", ["request.user == 'x'", "int(user) > 3", "size > 3", "request.messages[0].role == 'user'"]
)
def test_what_only_an_empty_request_lacks_passes_the_sample(text):
    Expression(text, VARIABLES).judge(SAMPLE)


def test_only_what_an_expression_names_is_looked_up_and_once():
    asked = []

    def look_up(name):
        asked.append(name)
        return CALL[name]

    scene = Scene(look_up)
    assert Expression("size > 3 && size < 5000", VARIABLES).holds(scene)
    assert Expression("size > 4 || user == ''", VARIABLES).holds(scene)
    assert asked == ["size", "user"]


def test_what_fails_to_be_looked_up_fails_the_expression():
    with pytest.raises(ExpressionError, match="KeyError"):
        holds("size > 3", {})


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_function_that_is_let_through_exists(name):
    arguments = {"contains": "'a'", "startsWith": "'a'", "endsWith": "'a'", "matches": "'a'"}
    text = f"'a'.{name}({arguments[name]})" if name in arguments else f"{name}('a') == {name}('a')"
    complaint = ""
    try:
        holds(text)
    except ExpressionError as error:
        complaint = str(error)
    assert "Undefined" not in complaint


def test_the_library_is_loaded_by_the_first_expression_only():
    code = "import sys, chassis.routing.resolution, chassis.config.rules; sys.exit('cel' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
