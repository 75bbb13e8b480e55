"""What a request must be before anything is begun for it."""

import pytest

from chassis.errors import Reason, RunestoneError
from provider_svc.envelope import FORMS, KNOWN, LONGEST_HEADER, MAX_HEADERS, UNSTREAMED, read_envelope
from runestone.common.v1 import dialect_pb2 as dialects
from runestone.provider.v1.provider_pb2 import CallRequest

FORM = "multipart/form-data; boundary=b"


def request(**fields):
    given = {"call_id": "c", "tenant": "t", "model": "m", "dialect": dialects.DIALECT_OPENAI_CHAT, "body": b'{"a":1}'}
    return CallRequest(**{**given, **fields})


def refusal(**fields):
    with pytest.raises(RunestoneError) as error:
        read_envelope(request(**fields))
    assert error.value.reason is Reason.INVALID_REQUEST
    return error.value.param


@pytest.mark.parametrize("dialect", sorted(KNOWN))
def test_every_dialect_is_taken_as_json(dialect):
    for content_type in ("", "application/json", "Application/JSON; charset=utf-8"):
        envelope = read_envelope(request(dialect=dialect, content_type=content_type))
        assert (bytes(envelope.members["a"]), envelope.form, envelope.content_type) == (b"1", b"", "")


@pytest.mark.parametrize("dialect", sorted(KNOWN))
def test_a_form_is_taken_where_there_are_files_and_nowhere_else(dialect):
    if dialect in FORMS:
        envelope = read_envelope(request(dialect=dialect, content_type=FORM, body=b"x"))
        assert (envelope.members, envelope.form, envelope.content_type) == ({}, b"x", FORM)
    else:
        assert refusal(dialect=dialect, content_type=FORM) == "content_type"


@pytest.mark.parametrize("content_type", ["text/plain", "multipart/mixed; boundary=b", "application/jsonl"])
def test_no_other_media_type_is_taken(content_type):
    assert refusal(content_type=content_type, dialect=dialects.DIALECT_OPENAI_TRANSCRIPTIONS) == "content_type"


@pytest.mark.parametrize("dialect", sorted(KNOWN))
def test_a_stream_is_to_be_had_where_there_is_one(dialect):
    if dialect in UNSTREAMED:
        assert refusal(dialect=dialect, stream=True) == "stream"
    else:
        read_envelope(request(dialect=dialect, stream=True))


@pytest.mark.parametrize("dialect", [dialects.DIALECT_UNSPECIFIED, 99])
def test_a_dialect_that_nobody_knows_is_refused(dialect):
    assert refusal(dialect=dialect) == "dialect"


@pytest.mark.parametrize("name", ["call_id", "tenant", "model"])
def test_what_is_missing_is_named(name):
    assert refusal(**{name: ""}) == name


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b'{"a":' + b"[" * 100_000])
def test_a_body_that_is_no_object_is_refused(body):
    assert refusal(body=body) == "body"


@pytest.mark.parametrize(
    "headers",
    [
        {"anthropic-beta": "a\r\nx-api-key: stolen"},
        {"anthropic-beta": "a\0"},
        {"anthropic-beta": "é"},
        {"anthropic-beta": "a" * (LONGEST_HEADER + 1)},
        {f"h{number}": "x" for number in range(MAX_HEADERS + 1)},
    ],
)
def test_headers_that_could_be_more_than_headers_are_refused(headers):
    assert refusal(headers=headers) == "headers"


def test_headers_are_passed_on():
    assert read_envelope(request(headers={"anthropic-beta": "a,b"})).headers == {"anthropic-beta": "a,b"}
