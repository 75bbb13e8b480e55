"""What must not be read is not read, however a text is cut; everything else arrives, in order."""

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.config.shapes import convert
from chassis.config.transform.options import ResponseRedaction
from gateway_edge.transform.redaction import GATHERED, PIECE, Redaction, Redactor
from gateway_edge.transform.turns import Turns

RULE_SETS = [
    [{"pattern": r"\bsk-[a-z0-9]{3,8}\b", "with": "[key]"}],
    [{"pattern": "[0-9]{3}", "with": "#"}, {"pattern": "[0-9]{2}-[a-z]{1,4}", "with": "##"}],
    [{"pattern": "(?i)abc|(?:b|c){2}", "with": "-"}],
    [{"pattern": "^a|a$|aab", "with": "_"}],
    [{"pattern": "(?m:^b)|.c$", "with": "_"}],
    [{"pattern": "(é|漢){1,3}b?", "with": "…"}, {"pattern": r"\B\x{1F332}", "with": "[tree]"}],
    [{"pattern": "(a)(b){0,2}c", "with": "x"}, {"pattern": "(?P<name>c{1,2}?){2}(d)?", "with": "y"}],
]
Texts = st.text("abcABC123-sk \né漢🌲", max_size=120) | st.lists(
    st.sampled_from(["sk-abc123", " ", "123", "12-ab", "aab", "é漢b", "🌲", "x"]), max_size=20
).map("".join)


def redaction_of(*rules: dict[str, object]) -> Redaction:
    return Redaction([convert(rule, ResponseRedaction) for rule in rules])


REDACTIONS = [redaction_of(*rules) for rules in RULE_SETS]


def whole(redaction: Redaction, text: str) -> str:
    return Redactor(redaction).finish(text)


def in_pieces(redaction: Redaction, pieces: list[str]) -> str:
    redactor = Redactor(redaction)
    return "".join([*map(redactor.feed, pieces), redactor.finish()])


def finished(work: Turns[str]) -> tuple[int, str]:
    """How often work stopped for others, and what it came to."""
    turns = 0
    while True:
        try:
            next(work)
        except StopIteration as done:
            return turns, done.value
        turns += 1


@given(st.sampled_from(REDACTIONS), Texts, st.lists(st.integers(0, 120)))
def test_any_cut_of_a_text_gives_what_the_whole_gives(redaction, text, cuts):
    borders = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[start:end] for start, end in itertools.pairwise(borders)]
    assert in_pieces(redaction, pieces) == whole(redaction, text)


@given(st.sampled_from(REDACTIONS), Texts)
def test_a_text_that_comes_one_character_at_a_time_is_no_exception(redaction, text):
    assert in_pieces(redaction, list(text)) == whole(redaction, text)


@given(Texts)
def test_the_whole_is_what_a_substitution_gives(text):
    """Python's own, where both mean the same by the pattern."""
    assert whole(REDACTIONS[0], text) == re.sub(r"\bsk-[a-z0-9]{3,8}\b", "[key]", text, flags=re.ASCII)
    assert whole(REDACTIONS[1], text) == re.sub(
        "([0-9]{3})|[0-9]{2}-[a-z]{1,4}", lambda found: "#" if found[1] else "##", text
    )


@given(st.sampled_from(REDACTIONS[:2]), Texts)
def test_redacting_again_finds_nothing(redaction, text):
    once = whole(redaction, text)
    assert whole(redaction, once) == once


@given(st.sampled_from(REDACTIONS), Texts)
def test_no_more_is_held_back_than_the_longest_match_and_what_is_gathered(redaction, text):
    redactor, sent = Redactor(redaction), 0
    for count, character in enumerate(text, 1):
        before = redactor.feed(character)
        sent += len(before)
        assert len(redactor._held) - redactor._is_begun <= redaction.longest + GATHERED, count
    rest = redactor.finish()
    assert not redactor.is_holding
    assert len(rest) + sent == len(whole(redaction, text))


def test_a_secret_cut_by_a_piece_of_a_long_text_is_found():
    redaction = redaction_of({"pattern": "sk-[a-z0-9]{20}"})
    text = "x" * (PIECE - 10) + "sk-" + "a" * 20 + "y" * PIECE
    turns, found = finished(redaction.redact(text))
    assert found == "x" * (PIECE - 10) + "[redacted]" + "y" * PIECE
    assert turns == 3


def test_a_text_may_follow_another():
    """What ended does not reach into what begins."""
    redactor = Redactor(redaction_of({"pattern": "^ab"}))
    assert [redactor.finish("ab"), redactor.finish("ab")] == ["[redacted]", "[redacted]"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1234567", "##7"), ("12-ab", "##"), ("112-ab", "#-ab"), ("12-123", "12-#")],
)
def test_of_two_rules_the_one_that_begins_first_is_taken(text, expected):
    assert whole(REDACTIONS[1], text) == expected


def test_the_first_of_two_rules_that_begin_together_is_taken():
    rules = [{"pattern": "(a)(b)", "with": "1"}, {"pattern": "a(b)c", "with": "2"}, {"pattern": "c", "with": "3"}]
    assert whole(redaction_of(*rules), "abc") == "13"
    assert whole(redaction_of(*rules[::-1]), "abc") == "2"
