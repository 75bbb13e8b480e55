"""What others test their dialects with is what it says."""

from dialects.strategies import EVERYTHING, Words, answers, merged, prompts, unhurried
from hypothesis import Phase, find, given, settings

from provider_svc.dialects.prompt import Prompt, Text, Thinking, ToolCall, ToolResult, Turn
from provider_svc.dialects.said import Said
from provider_svc.dialects.steps import Close, End, Grow, OpenCall, OpenText, OpenThinking, Start, Stop

OPENINGS = (OpenText, OpenThinking, OpenCall)


def parts_of(prompt: Prompt, kind: type) -> list:
    return [part for turn in prompt.turns for part in turn.parts if isinstance(part, kind)]


@unhurried
@given(prompts())
def test_every_result_stands_behind_its_call(prompt):
    """Providers refuse a conversation in which one is missing."""
    called = [call.id for call in parts_of(prompt, ToolCall)]
    assert len(set(called)) == len(called)
    assert called == [result.call_id for result in parts_of(prompt, ToolResult)]


@unhurried
@given(prompts())
def test_a_choice_is_one_that_can_be_made(prompt):
    names = {tool.name for tool in prompt.tools}
    assert len(names) == len(prompt.tools)
    assert prompt.choice is None or names
    assert prompt.choice is None or prompt.choice.mode != "tool" or prompt.choice.name in names


@unhurried
@given(prompts(Words(thinking=False, marks=False)))
def test_what_a_dialect_has_no_word_for_is_not_said(prompt):
    assert parts_of(prompt, Thinking) == []
    assert all(part.cache is None for part in parts_of(prompt, Text))


def test_what_a_dialect_has_a_word_for_is_said():
    """The test of the test above."""
    found = find(
        prompts(EVERYTHING), lambda prompt: bool(parts_of(prompt, Thinking)), settings=settings(phases=[Phase.generate])
    )
    assert parts_of(found, Thinking)


@unhurried
@given(prompts())
def test_merging_leaves_no_neighbours_of_one_role_and_loses_no_part(prompt):
    whole = merged(prompt)
    assert [part for turn in prompt.turns for part in turn.parts] == [
        part for turn in whole.turns for part in turn.parts
    ]
    assert all((a.role, a.name) != (b.role, b.name) for a, b in zip(whole.turns, whole.turns[1:], strict=False))


def test_merging_forgets_where_a_turn_stood():
    assert merged(Prompt(turns=(Turn(role="user", parts=(), path="messages[0]"),))).turns[0].path == ""


@unhurried
@given(answers())
def test_an_answer_is_in_the_order_that_steps_promise(steps):
    said = Said()
    is_open = False
    for step in steps:
        said.add(step)
        if isinstance(step, OPENINGS):
            assert not is_open
            is_open = True
        elif isinstance(step, Close):
            assert is_open
            is_open = False
        elif isinstance(step, Grow):
            assert is_open and step.text
    assert not is_open
    assert said.is_whole
    assert [type(steps[0]), type(steps[-2]), type(steps[-1])] == [Start, Stop, End]
