"""The codec of Phoenix Channels V2: what clients send is read, what they read is written."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_edge.channels.frames import (
    LONGEST,
    Frame,
    MalformedFrameError,
    read_frame,
    write_about_join,
    write_binary_push,
    write_binary_reply,
    write_broadcast,
    write_push,
    write_reply,
)

SHORT = st.text(st.characters(exclude_categories=["Cs"]), max_size=LONGEST // 4)
REFERENCES = st.none() | SHORT.filter(bool)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | SHORT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SHORT, inner, max_size=3),
    max_leaves=8,
)


@given(REFERENCES, REFERENCES, SHORT, SHORT, JSON, st.lists(JSON, max_size=3))
def test_text_is_read_as_it_was_written_and_more_elements_are_passed_over(join_ref, ref, topic, event, payload, more):
    written = json.dumps(payload)
    frame = read_frame(
        json.dumps([join_ref, ref, topic, event])[:-1] + "," + ",".join([written, *map(json.dumps, more)]) + "]"
    )
    assert frame[:4] == (join_ref, ref, topic, event)
    assert frame.payload == written.encode(), "the payload's own bytes, so that it is the same question as over HTTP"


@given(REFERENCES, REFERENCES, SHORT, SHORT, st.binary(max_size=100))
def test_binary_is_read_as_the_javascript_client_writes_it(join_ref, ref, topic, event, payload):
    names = [(name or "").encode() for name in (join_ref, ref, topic, event)]
    message = bytes([0, *map(len, names)]) + b"".join(names) + payload
    assert read_frame(message) == Frame(join_ref, ref, topic, event, payload, is_binary=True)


@given(st.text(st.characters(exclude_categories=["Cs"])) | st.binary(max_size=300))
def test_anything_else_is_malformed_and_nothing_worse(message):
    try:
        frame = read_frame(message)
    except MalformedFrameError:
        return
    assert isinstance(frame, Frame)


@pytest.mark.parametrize(
    "message",
    [
        "",
        "{}",
        "[]",
        '["1","2","t"]',
        '["1","2",null,"e",{}]',
        '[1,"2","t","e",{}]',
        '["1","2","t","e",NaN]',
        '["1","2","t","e",{"a":"\\ud800"}]',
        '["1","2","t","e",' + "[" * 100_000,
        json.dumps(["1", "2", "t" * (LONGEST + 1), "e", {}]),
        json.dumps(["1", "2", "ü" * LONGEST, "e", {}]),
        b"",
        b"\x00\x01\x01\x01",
        b"\x01\x01\x01\x01\x01abcd",
        b"\x00\xff\x00\x00\x00short",
        b"\x00\x00\x00\x01\x01\xfft",
    ],
)
def test_what_is_no_frame_is_refused(message):
    with pytest.raises(MalformedFrameError):
        read_frame(message)


def test_replies_have_the_references_of_what_they_answer():
    frame = Frame("1", "2", "room:a", "event", b"{}")
    assert json.loads(write_reply(frame, "ok", b'{"a": 1}')) == [
        "1", "2", "room:a", "phx_reply", {"status": "ok", "response": {"a": 1}},
    ]  # fmt: skip
    assert json.loads(write_reply(frame, "error", is_matched=False))[0] is None


def test_pushes_have_that_of_the_join_and_broadcasts_none():
    assert json.loads(write_push("1", 'a"b', "e", b"[]")) == ["1", None, 'a"b', "e", []]
    assert json.loads(write_broadcast("t", "e")) == [None, None, "t", "e", {}]
    assert json.loads(write_about_join("1", "t", "phx_close")) == ["1", "1", "t", "phx_close", {}]


def test_binary_frames_are_laid_out_as_the_javascript_client_reads_them():
    frame = Frame("12", "345", "topic", "event", b"")
    assert write_binary_reply(frame, "ok", b"\xff") == b"\x01\x02\x03\x05\x0212345topicok\xff"
    assert write_binary_push("12", "topic", "event", b"\xff") == b"\x00\x02\x05\x0512topicevent\xff"
