"""What is cut where one model's words meet the next one's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_svc.dialects.seam import LEAST, LONGEST, Seam
from provider_svc.dialects.steps import Grow

SAID = "The fjord lies north of the old town"


def joined(said: str, *pieces: str) -> str:
    seam = Seam(said)
    told = [piece for text in pieces for piece in seam.join(Grow(text))]
    return "".join(piece.text for piece in (*told, *seam.end()))


@pytest.mark.parametrize(
    ("said", "next_text", "left"),
    [
        (SAID, " and is deep.", " and is deep."),
        (SAID, "of the old town and is deep.", " and is deep."),
        (SAID, SAID + " and is deep.", " and is deep."),
        (SAID, SAID, ""),
        (SAID, "old town and is deep.", "old town and is deep."),
        (SAID, "of the old tower", "of the old tower"),
        ("    " * 5, "    " * 5 + "return", "    " * 5 + "return"),
        ("-" * 40, "-" * 40, "-" * 40),
        ("", SAID, SAID),
        (SAID + "\n", "\nof the old town\n", "\nof the old town\n"),
    ],
)
def test_what_is_said_again_is_cut_and_nothing_else_is(said, next_text, left):
    assert joined(said, next_text) == left
    assert joined(said, *next_text) == left


def test_words_that_go_on_are_not_held_back():
    assert Seam(SAID).join(Grow(" and")) == [Grow(" and")]


def test_what_may_yet_be_said_again_waits_and_what_is_left_when_it_ends_is_told():
    seam = Seam(SAID)
    assert seam.join(Grow("of the old")) == []
    assert seam.end() == [Grow("of the old")]
    assert seam.end() == []
    assert seam.join(Grow("of the old town")) == [Grow("of the old town")]


def test_a_piece_that_is_cut_in_two_says_nothing_of_its_tokens():
    seam = Seam(SAID)
    drawn = [{"token": "x"}]
    assert seam.join(Grow("of the old ", drawn)) == []
    assert seam.join(Grow("town, but", drawn)) == [Grow(", but")]
    assert seam.join(Grow(" far", drawn)) == [Grow(" far", drawn)]


@given(st.text("abcdefgh ", max_size=2 * LONGEST), st.lists(st.text("abcdefgh ", min_size=1, max_size=20), max_size=30))
def test_what_is_told_is_the_text_less_an_end_of_what_was_said(said, pieces):
    text = "".join(pieces)
    told = joined(said, *pieces)
    assert text.endswith(told)
    cut = text.removesuffix(told) if told else text
    assert cut == "" or (len(cut) >= LEAST and said.endswith(cut))


@given(st.text(max_size=2 * LONGEST), st.lists(st.text(min_size=1, max_size=20), max_size=50))
def test_no_more_is_held_back_than_can_be_compared(said, pieces):
    seam, held = Seam(said), 0
    for piece in pieces:
        held += len(piece) - sum(len(told.text) for told in seam.join(Grow(piece)))
        assert held < LONGEST or not seam._held


@given(st.integers(LEAST, LONGEST), st.text("xyz", min_size=1, max_size=9), st.integers(1, 30))
def test_a_repetition_of_any_length_is_cut_however_it_comes(length, more, size):
    said = "".join(chr(0x4E00 + number) for number in range(LONGEST + 20))
    text = said[-length:] + more
    assert joined(said, *(text[i : i + size] for i in range(0, len(text), size))) == more
