"""A stream's fold is the whole answer."""

import pytest
from dialects.strategies import answers, unhurried
from hypothesis import given

from chassis.errors import Reason, RunestoneError
from provider_svc.dialects.said import Said
from provider_svc.dialects.steps import Cite, Close, Count, End, Grow, OpenCall, OpenText, OpenThinking, Start, Stop
from runestone.common.v1.usage_pb2 import Usage


def fold(*steps: object) -> Said:
    said = Said()
    for step in steps:
        said.add(step)
    return said


@unhurried
@given(answers())
def test_nothing_that_was_said_is_left_out(steps):
    said = fold(*steps)
    assert "".join(part.text for part in said.parts) == "".join(s.text for s in steps if isinstance(s, Grow))
    assert [c for part in said.parts for c in part.sources] == [s for s in steps if isinstance(s, Cite)]
    assert [part.seal for part in said.parts] == [s.seal for s in steps if isinstance(s, Close)]
    assert [(p.id, p.name) for p in said.parts if p.name] == [(s.id, s.name) for s in steps if isinstance(s, OpenCall)]


@unhurried
@given(answers())
def test_an_answer_is_whole_at_its_end_and_not_before(steps):
    """A truncated answer never looks complete."""
    assert not fold(*steps[:-1]).is_whole
    assert fold(*steps).is_whole


def test_each_part_is_of_the_kind_it_was_opened_as():
    opened = (
        OpenText(),
        OpenText(is_refusal=True),
        OpenThinking("rs_1"),
        OpenThinking(is_redacted=True),
        OpenCall("c1", "f"),
        OpenCall("c2", "run", is_custom=True),
    )
    said = fold(*(step for one in opened for step in (one, Close())))
    assert [part.kind for part in said.parts] == ["text", "refusal", "thinking", "redacted", "call", "custom_call"]
    assert said.parts[2].id == "rs_1"


def test_the_head_and_the_stop_are_kept():
    said = fold(Start("a", "m", 7), Stop("filter", "END", "No."), End())
    assert (said.id, said.model, said.created) == ("a", "m", 7)
    assert (said.reason, said.sequence, said.words) == ("filter", "END", "No.")


def test_the_last_count_holds():
    said = fold(Start("a", "m"), Count(Usage(output_tokens=1)), Count(Usage(output_tokens=2)))
    assert said.usage == Usage(output_tokens=2)


def test_logprobs_follow_each_other():
    said = fold(OpenText(), Grow("a", [{"token": "a"}]), Grow("b"), Grow("c", [{"token": "c"}]), Close())
    assert said.parts[0].logprobs == [{"token": "a"}, {"token": "c"}]


def test_a_seal_is_its_own_parts():
    said = fold(OpenThinking(), Close("s", "anthropic"), OpenText(), Close())
    assert [(part.seal, part.sealed_by) for part in said.parts] == [("s", "anthropic"), ("", None)]


@pytest.mark.parametrize("step", [Grow("x"), Cite("https://example.test"), Close()])
def test_a_part_that_was_not_begun_is_no_answer(step):
    with pytest.raises(RunestoneError) as caught:
        fold(Start("a", "m"), step)
    assert caught.value.reason is Reason.PROVIDER_INVALID_ANSWER
