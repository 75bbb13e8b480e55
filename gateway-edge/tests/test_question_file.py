"""Files of questions: read in steps, and no line of them ends the reading."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_edge.inner.question_file import STEP, read_in_steps, read_lines, read_question

QUESTION = b'{"model": "m", "messages": [1.0, 12345678901234567890]}'


def bodies(text: bytes, longest: int = 1000) -> list[bytes | str]:
    return [line.fault or line.body for line in read_lines(io.BytesIO(text), longest)]


def test_a_question_is_asked_as_it_is_spelled():
    assert read_question(QUESTION) == QUESTION
    assert read_question(b'{"id": 7, "request": ' + QUESTION + b"}") == QUESTION


def test_a_request_beside_messages_is_a_member_like_any_other():
    body = b'{"request": {}, "messages": []}'
    assert read_question(body) == body


@pytest.mark.parametrize(
    "text", [b"[]", b"nonsense", b'{"a": }', b"\xff\xfe", b'{"request": "x"}', b'{"request": null}']
)
def test_what_is_no_question_says_why(text):
    with pytest.raises(ValueError, match=r"is no (JSON )?object"):
        read_question(text)


def test_lines_keep_their_numbers_past_blank_and_bad_ones():
    lines = list(read_lines(io.BytesIO(b"\xef\xbb\xbf" + QUESTION + b"\r\n\n  \nnonsense\n" + QUESTION)))
    assert [(line.number, line.body) for line in lines] == [(1, QUESTION), (4, b""), (5, QUESTION)]
    assert lines[1].fault
    assert lines[-1].end == len(QUESTION) * 2 + 18


def test_a_line_that_is_too_long_is_passed_over():
    first, second, third = bodies(b"{}\n" + b"x" * (STEP * 2) + b"\n{}", longest=10)
    assert (first, second, third) == (b"{}", "is longer than 10 bytes", b"{}")
    assert bodies(b"x" * 11, longest=10) == ["is longer than 10 bytes"]
    assert bodies(b'{"a": 12}\n', longest=10) == [b'{"a": 12}']


def test_a_file_that_breaks_ends_with_a_bad_line():
    class Broken(io.BytesIO):
        def readline(self, size=-1):
            if self.tell():
                raise OSError("the disk is gone")
            return super().readline(size)

    lines = list(read_lines(Broken(b"{}\n{}\n")))
    assert [(line.number, line.fault) for line in lines] == [(1, ""), (2, "cannot be read: the disk is gone")]


async def test_steps_give_what_lines_give():
    text = b"\n".join([b'{"a": "%s"}' % (b"x" * 1000)] * 1000 + [b"bad"])
    assert len(text) > 3 * STEP
    stepped = [line async for line in read_in_steps(io.BytesIO(text), 2000)]
    assert stepped == list(read_lines(io.BytesIO(text), 2000))
    assert len(stepped) == 1001


@given(st.binary(max_size=200), st.integers(1, 20))
def test_whatever_a_file_holds_it_is_read_to_its_end(text, longest):
    lines = list(read_lines(io.BytesIO(text), longest))
    assert all(bool(line.body) != bool(line.fault) for line in lines)
    assert all(len(line.body) <= longest for line in lines)
    assert [line.end for line in lines] == sorted({line.end for line in lines})
    assert not lines or lines[-1].end <= len(text)
