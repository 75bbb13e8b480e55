"""Custom tools for dialects that have functions only: what was written goes there and comes back."""

import json

from dialects.strategies import words
from hypothesis import given
from hypothesis import strategies as st

from provider_svc.dialects.custom_tools import CustomCalls, as_functions, name_custom_tools
from provider_svc.dialects.losses import Losses
from provider_svc.dialects.prompt import Choice, Prompt, Text, Tool, ToolCall, ToolResult, Turn
from provider_svc.dialects.steps import Close, Count, Grow, OpenCall, Start, Step
from runestone.common.v1.usage_pb2 import Usage

GRAMMAR = {"type": "grammar", "syntax": "lark", "definition": 'start: "x"'}
PATCH = Tool(name="patch", description="Edits.", is_custom=True, format=GRAMMAR)
FUNCTION = Tool(name="f", schema={"type": "object"})


def convert(**members):
    losses = Losses(is_strict=True)
    members = {"turns": (Turn(role="user", parts=(Text(text="hi"),)),), **members}
    return as_functions(Prompt(**members), losses), losses.paths


def test_a_custom_tool_is_a_function_of_one_text():
    """Its grammar is said in words, and told of, for nothing holds the model to it."""
    prompt, told = convert(tools=(FUNCTION, PATCH), choice=Choice(mode="tool", name="patch", is_custom=True))
    assert told == ("tools[1].format",)
    function, patch = prompt.tools
    assert function is FUNCTION
    assert (patch.name, patch.description, patch.is_custom, patch.format) == ("patch", "Edits.", False, None)
    assert 'start: "x"' in patch.schema["properties"]["input"].pop("description")
    assert patch.schema == {
        "type": "object",
        "properties": {"input": {"type": "string"}},
        "required": ["input"],
        "additionalProperties": False,
    }
    assert prompt.choice == Choice(mode="tool", name="patch")


def test_free_text_needs_no_words_and_loses_nothing():
    prompt, told = convert(tools=(Tool(name="t", is_custom=True, format={"type": "text"}),))
    assert told == () and prompt.tools[0].schema["properties"] == {"input": {"type": "string"}}


def test_what_was_called_before_is_wrapped_too():
    call, result = (
        ToolCall(id="c", name="patch", arguments='a "b"\n', is_custom=True),
        ToolResult(call_id="c", parts=(), is_custom=True),
    )
    turns = (Turn(role="assistant", parts=(call,)), Turn(role="user", parts=(result, Text(text="go on"))))
    prompt, _ = convert(turns=turns)
    (wrapped,), (given_back, text) = (turn.parts for turn in prompt.turns)
    assert json.loads(wrapped.arguments) == {"input": 'a "b"\n'}
    assert (wrapped.is_custom, given_back.is_custom, text) == (False, False, Text(text="go on"))


def test_only_custom_tools_are_named():
    assert name_custom_tools(Prompt(turns=(), tools=(FUNCTION, PATCH))) == {"patch"}


class Scripted:
    def __init__(self, steps: list[Step]) -> None:
        self.steps = steps

    def read(self, data: bytes) -> list[Step]:
        return self.steps


def read(*steps):
    return list(CustomCalls(Scripted(list(steps)), frozenset({"patch"})).read(b""))


@given(words, st.integers(1, 9))
def test_what_the_model_writes_is_the_custom_tools_text(text, size):
    """However it was cut; counts may stand between."""
    arguments = json.dumps({"input": text})
    pieces = [Grow(arguments[at : at + size]) for at in range(0, len(arguments), size)]
    count = Count(Usage(output_tokens=1))
    got = read(Start("id", "m"), OpenCall("c", "patch"), *pieces, count, Close())
    assert got == [Start("id", "m"), OpenCall("c", "patch", is_custom=True), count, Grow(text), Close()]


def test_a_function_beside_it_grows_as_it_comes():
    steps = [OpenCall("c", "f"), Grow("{"), Grow("}"), Close()]
    assert read(*steps) == steps


def test_arguments_of_another_form_are_the_text_themselves():
    assert read(OpenCall("c", "patch"), Grow('{"diff": 1}'), Close())[1] == Grow('{"diff": 1}')


def test_a_call_with_nothing_has_no_text():
    assert read(OpenCall("c", "patch"), Grow('{"input": ""}'), Close()) == [
        OpenCall("c", "patch", is_custom=True),
        Close(),
    ]
