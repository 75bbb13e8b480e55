"""Forms are read in one way only, and whatever is none is refused."""

from collections.abc import Callable
from typing import Any

import httpx2
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import Reason, RunestoneError
from gateway_edge.openapi.fault import check
from gateway_edge.openapi.form_fields import read_fields
from gateway_edge.openapi.shape import request_shape
from gateway_edge.question.form import LONGEST_TEXT, MOST_PARTS, Form, Upload, read_form

BOUNDARY = "edge"
CONTENT_TYPE = f"multipart/form-data; boundary={BOUNDARY}"
TRANSCRIPTION = request_shape("/v1/audio/transcriptions", is_strict=True)
EDIT = request_shape("/v1/images/edits", is_strict=True)

SOUND = b"RIFF\x00\r\n--not-a-border\r\n\xff"

Field = tuple[str, bytes, str | None]


def write(*fields: Field, boundary: str = BOUNDARY) -> bytes:
    """As RFC 7578 has it."""
    parts = []
    for name, value, filename in fields:
        file = "" if filename is None else f'; filename="{filename}"\r\nContent-Type: application/octet-stream'
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
        parts.append(head.encode() + value + b"\r\n")
    return b"".join(parts) + f"--{boundary}--\r\n".encode()


def read(*fields: Field) -> Form:
    return read_form(write(*fields), CONTENT_TYPE)


def refusal_of(body: bytes, content_type: str = CONTENT_TYPE) -> RunestoneError:
    with pytest.raises(RunestoneError) as refusal:
        read_form(body, content_type)
    assert refusal.value.reason is Reason.INVALID_REQUEST
    return refusal.value


def test_texts_and_files_are_told_apart() -> None:
    form = read(("model", b"whisper-1", None), ("file", SOUND, "a.wav"))
    assert form.document == {"model": "whisper-1", "file": Upload("a.wav", len(SOUND))}
    assert form.parts[1].value == SOUND


def sent_by(ask: Callable[[openai.OpenAI], object]) -> Form:
    """What a client of OpenAI's writes."""
    forms = []

    def take(request: httpx2.Request) -> httpx2.Response:
        forms.append(read_form(request.read(), request.headers["content-type"]))
        return httpx2.Response(200, json={"text": ""})

    http = httpx2.Client(transport=httpx2.MockTransport(take))
    ask(openai.OpenAI(api_key="k", base_url="http://edge", http_client=http))
    return forms[0]


def test_what_openais_client_writes_is_read() -> None:
    """Lists in brackets, objects by their members."""
    form = sent_by(
        lambda client: client.audio.transcriptions.create(
            model="m",
            file=("a.wav", SOUND),
            include=["logprobs"],
            chunking_strategy={"type": "server_vad", "threshold": 0.5},
            stream=True,
        )
    )
    assert form.document == {
        "model": "m",
        "file": Upload("a.wav", len(SOUND)),
        "include": ["logprobs"],
        "chunking_strategy": {"type": "server_vad", "threshold": "0.5"},
        "stream": "true",
    }
    fields = read_fields(form.document, TRANSCRIPTION)
    check(fields, TRANSCRIPTION)
    assert fields["stream"] is True


def test_images_that_openais_client_sends_are_read() -> None:
    one, two = ("a.png", b"1"), ("b.png", b"22")
    several = sent_by(lambda client: client.images.edit(model="m", prompt="p", image=[one, two], mask=one, n=2))
    single = sent_by(lambda client: client.images.edit(model="m", prompt="p", image=one))
    assert several.document["image"] == [Upload("a.png", 1), Upload("b.png", 2)]
    assert single.document["image"] == Upload("a.png", 1)
    for form in (several, single):
        check(read_fields(form.document, EDIT), EDIT)


names = st.text(st.characters(codec="utf-8", exclude_characters='"\\[]\r\n%', exclude_categories=["Cc"]), min_size=1)
texts = st.text(st.characters(codec="utf-8")).filter(lambda text: BOUNDARY not in text)


@given(st.dictionaries(names, texts, max_size=8))
def test_what_is_written_is_read(fields: dict[str, str]) -> None:
    form = read(*((name, text.encode(), None) for name, text in fields.items()))
    assert form.document == fields


@given(st.binary(max_size=300), st.sampled_from([CONTENT_TYPE, "multipart/form-data; boundary=x", "", "a/b"]))
def test_garbage_is_refused_and_nothing_else_happens(garbage: bytes, content_type: str) -> None:
    refusal_of(garbage.replace(b"-", b"+"), content_type)


@given(st.integers(0, 400), st.binary(min_size=1, max_size=3))
def test_a_form_that_was_damaged_is_read_or_refused(place: int, damage: bytes) -> None:
    body = write(("model", b"m", None), ("a[b][c]", b"1", None), ("file", SOUND, "a.wav"))
    place %= len(body)
    damaged = body[:place] + damage + body[place + len(damage) :]
    try:
        form = read_form(damaged, CONTENT_TYPE)
    except RunestoneError:
        refusal_of(damaged)
    else:
        assert all(part.value in damaged for part in form.parts)


@pytest.mark.parametrize(
    ("content_type", "words"),
    [
        ("application/json", "must be multipart/form-data"),
        ("multipart/form-data", "boundary"),
        ("", "multipart"),
        ("multipart/form-data; boundary=edge; x=\udcff", "boundary"),
    ],
)
def test_another_media_type_is_named(content_type: str, words: str) -> None:
    assert words in refusal_of(write(("model", b"m", None)), content_type).message


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ([("model", b"a", None), ("model", b"b", None)], "model", "twice"),
        ([("a", b"1", None), ("a[]", b"2", None)], "a[]", "at once"),
        ([("a[]", b"1", None), ("a[b]", b"2", None)], "a[b]", "at once"),
        ([("a[b]", b"1", None), ("a[b]", b"2", None)], "a[b]", "twice"),
        ([("a[b]", b"1", None), ("a", b"2", None)], "a", "twice"),
        ([("a[][b]", b"1", None)], "a[][b]", "cannot be read"),
        ([("a[", b"1", None)], "a[", "cannot be read"),
        ([("[a]", b"1", None)], "[a]", "cannot be read"),
        ([("a" + "[b]" * 9, b"1", None)], "a" + "[b]" * 9, "cannot be read"),
        ([("prompt", b"\xff", None)], "prompt", "UTF-8"),
        ([("prompt", b"x" * (LONGEST_TEXT + 1), None)], "prompt", "no file"),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused_by_name(fields: list[Field], param: str, words: str) -> None:
    """`model` could be authorised as one thing and asked as another."""
    refusal = refusal_of(write(*fields))
    assert refusal.param == param and words in refusal.message


def test_a_form_that_ends_early_or_has_too_many_parts_is_refused() -> None:
    whole = write(("model", b"m", None))
    assert "not valid multipart/form-data" in refusal_of(whole[:-6]).message
    many = write(*((f"a{number}", b"", None) for number in range(MOST_PARTS + 1)))
    assert "count" in refusal_of(many).message


def test_a_digest_is_of_what_is_in_it_whatever_parts_it() -> None:
    """Clients make a boundary anew each time that they send."""
    fields: list[Field] = [("model", b"m", None), ("file", SOUND, "a.wav")]
    again = read_form(write(*fields, boundary="other"), "multipart/form-data; boundary=other")
    assert again.digest == read(*fields).digest
    others = [
        read(("model", b"m", None), ("file", SOUND + b"x", "a.wav")),
        read(("model", b"m", "m"), ("file", SOUND, "a.wav")),
        read(("model", b"n", None), ("file", SOUND, "a.wav")),
        read(("mode", b"lm", None), ("file", SOUND, "a.wav")),
    ]
    assert len({read(*fields).digest, *(other.digest for other in others)}) == 5


# What fields mean.


@pytest.mark.parametrize(
    ("name", "text", "read"),
    [
        ("stream", "true", True),
        ("stream", "false", False),
        ("stream", "yes", "yes"),
        ("temperature", "0.5", 0.5),
        ("temperature", "0", 0),
        ("temperature", "-1e2", -100.0),
        ("temperature", "nan", "nan"),
        ("temperature", "1e999", "1e999"),
        ("temperature", "0x1", "0x1"),
        ("temperature", "9" * 5000, "9" * 5000),
        ("prompt", "12", "12"),
        ("prompt", "true", "true"),
        ("unknown", "1", "1"),
    ],
)
def test_a_text_is_what_the_schema_takes_it_for(name: str, text: str, read: Any) -> None:
    got = read_fields({name: text}, TRANSCRIPTION)[name]
    assert (got, type(got)) == (read, type(read))


def test_texts_in_lists_and_objects_are_read_too() -> None:
    fields = {"include": ["1", "2"], "chunking_strategy": {"type": "x", "threshold": "1"}, "other": {"a": ["1"]}}
    assert read_fields(fields, TRANSCRIPTION) == fields


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ({"file": "text"}, "file", "must be a file"),
        ({"model": Upload("a", 1)}, "model", "not a file"),
        ({"include": [Upload("a", 1)]}, "include[]", "not a file"),
    ],
)
def test_a_file_where_text_belongs_is_refused_and_so_the_other_way(fields: Any, param: str, words: str) -> None:
    with pytest.raises(RunestoneError) as refusal:
        read_fields(fields, TRANSCRIPTION)
    assert refusal.value.param == param and words in refusal.value.message


def test_one_image_or_several_fit() -> None:
    one, two = Upload("a.png", 1), Upload("b.png", 2)
    for image in (one, [one, two]):
        fields = read_fields({"model": "m", "prompt": "p", "image": image, "n": "2", "mask": one}, EDIT)
        check(fields, EDIT)
        assert fields["n"] == 2


def test_a_number_that_is_none_does_not_fit() -> None:
    fields = read_fields({"model": "m", "file": Upload("a", 1), "temperature": "hot"}, TRANSCRIPTION)
    with pytest.raises(RunestoneError, match="temperature: must be a number or null"):
        check(fields, TRANSCRIPTION)
