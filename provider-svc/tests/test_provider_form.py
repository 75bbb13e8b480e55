"""A form's way to a provider: another model, and otherwise the client's bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import Reason, RunestoneError
from provider_svc.openai.form import MAX_HEAD, MAX_PARTS, read_boundary, read_parts, replace_model, write_media_type

BOUNDARY = "----b"
FILE = b'Content-Disposition: form-data; name="file"; filename="a.mp3"\r\nContent-Type: audio/mpeg'


def form(*parts, boundary=BOUNDARY, end=b"--\r\n"):
    mark = b"--" + boundary.encode()
    return b"".join(mark + b"\r\n" + head + b"\r\n\r\n" + value + b"\r\n" for head, value in parts) + mark + end


def field(name, value):
    return b'Content-Disposition: form-data; name="%b"' % name, value


def refusal(body, boundary=BOUNDARY, model="m"):
    with pytest.raises(RunestoneError) as error:
        replace_model(body, boundary, model)
    assert error.value.reason is Reason.INVALID_REQUEST
    return error.value


names = st.sampled_from([b"file", b"image[]", b"prompt", b"response_format", b"timestamp_granularities[]", b"a b;c"])
values = st.binary(max_size=60).filter(lambda value: BOUNDARY.encode() not in value)
fields = st.builds(field, names, values)


@given(st.lists(fields, max_size=5), st.lists(fields, max_size=5), values, st.text("abc-./é", min_size=1))
def test_only_the_models_value_changes(before, after, old, new):
    body = form(*before, field(b"model", old), *after)
    assert replace_model(body, BOUNDARY, new) == form(*before, field(b"model", new.encode()), *after)


@given(st.lists(fields, max_size=5))
def test_a_form_without_a_model_gets_one(parts):
    """The route's model, not the provider's default, answers."""
    expected = (b'Content-Disposition: form-data; name="model"', b"m")
    assert replace_model(form(*parts), BOUNDARY, "m") == form(expected, *parts)


@given(st.lists(fields, max_size=5))
def test_every_part_is_found_where_it_stands(parts):
    body = form(*parts)
    assert [body[part.start : part.end] for part in read_parts(body, BOUNDARY)] == [value for _, value in parts]


@given(st.binary(max_size=200), st.integers(0, 300))
def test_whatever_is_no_form_is_refused_and_no_more(garbage, place):
    """Nothing that comes out could be read as a form of two models."""
    body = form(field(b"model", b"old"), (FILE, b"abc"))
    place %= len(body)
    try:
        replaced = replace_model(body[:place] + garbage + body[place:], BOUNDARY, "m")
    except RunestoneError:
        return
    assert len([part for part in read_parts(replaced, BOUNDARY) if part.name == b"model"]) == 1


@pytest.mark.parametrize(
    "head",
    [
        b"content-disposition:form-data;NAME=model",
        b'Content-Type: text/plain\r\nContent-Disposition: form-data; filename="x"; name="model"',
        b"Content-Disposition: Form-Data ; name = model",
    ],
)
def test_the_models_field_is_found_however_it_is_written(head):
    assert replace_model(form((head, b"old")), BOUNDARY, "new") == form((head, b"new"))


@pytest.mark.parametrize(
    "head",
    [
        b'Content-Disposition: form-data; name="%6dodel"',
        b'Content-Disposition: form-data; name="mod\\el"',
        b'Content-Disposition: form-data; name=" model"',
        b"Content-Disposition: form-data; name*=utf-8''model",
        b"Content-Disposition: form-data; name*0=mo; name*1=del",
        b'Content-Disposition: form-data; name="x"; name="model"',
        b'Content-Disposition: form-data; name="x"\r\nContent-Disposition: form-data; name="model"',
        b'X: y\nContent-Disposition: form-data; name="model"\r\nContent-Disposition: form-data; name="x"',
        b'Content-Disposition: form-data;\r\n name="model"',
        b"Content-Disposition: form-data",
        b"Content-Disposition: attachment; name=model",
        b'Content-Disposition: form-data; name="model',
        b"Content-Type: text/plain",
    ],
)
def test_a_name_that_could_be_read_in_two_ways_is_refused(head):
    """Else the caller would be allowed one model, and the provider asked another."""
    refusal(form(field(b"model", b"allowed"), (head, b"other")))


def test_two_models_are_refused():
    assert refusal(form(field(b"model", b"a"), field(b"model", b"b"))).param == "model"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--",
        b"--" + BOUNDARY.encode(),
        b"preamble\r\n" + form(field(b"model", b"a")),
        form(field(b"model", b"a")) + b"epilogue",
        form(field(b"model", b"a"), end=b""),
        form(field(b"model", b"a"), end=b" --\r\n"),
        form(field(b"model", b"a")).replace(b"\r\n", b"\n"),
        form(field(b"file", b"x\n--" + BOUNDARY.encode() + b"\n")),
        form((b"", b"x")),
        form((b'Content-Disposition: form-data; name="x"\r\nX: ' + b"y" * MAX_HEAD, b"x")),
    ],
)
def test_what_is_no_form_is_refused(body):
    refusal(body)


def test_the_number_of_parts_is_bounded():
    replace_model(form(*[field(b"x", b"")] * MAX_PARTS), BOUNDARY, "m")
    refusal(form(*[field(b"x", b"")] * (MAX_PARTS + 1)))


@pytest.mark.parametrize("model", ["", "a\r\nb", "a\0", '\r\n------b\r\nContent-Disposition: form-data; name="model"'])
def test_a_models_name_adds_no_part(model):
    """It may be what a client wrote behind `<provider>/`."""
    assert refusal(form(field(b"model", b"a")), model=model).param == "model"


@pytest.mark.parametrize(
    ("media_type", "boundary"),
    [
        ("multipart/form-data; boundary=abc", "abc"),
        ('Multipart/Form-Data; charset=utf-8; boundary="a b?c"; x=y', "a b?c"),
        ("multipart/form-data; boundary=abc; ", "abc"),
        ('multipart/form-data; x-boundary=a; y="boundary=c;"; boundary=b', "b"),
        ("multipart/form-data;boundary=----WebKitFormBoundary7MA4YWxk", "----WebKitFormBoundary7MA4YWxk"),
    ],
)
def test_the_boundary_is_read_and_can_be_read_again(media_type, boundary):
    assert read_boundary(media_type) == boundary
    assert read_boundary(write_media_type(boundary)) == boundary


@pytest.mark.parametrize(
    "media_type",
    [
        "",
        "application/json",
        "multipart/form-data",
        "multipart/mixed; boundary=a",
        "multipart/form-data; boundary=",
        'multipart/form-data; boundary="a\r\nb"',
        "multipart/form-data; boundary=" + "a" * 71,
        "multipart/form-data; " + "x" * 1000 + "; boundary=a",
        "multipart/form-data; boundary=a; boundary=b",
        "multipart/form-data; x-boundary=a",
        'multipart/form-data; x="boundary=a;"',
        "multipart/form-data; boundary*=utf-8''a; boundary=b",
        'multipart/form-data; boundary="a\\b"',
        "multipart/form-data; x; boundary=a",
    ],
)
def test_a_media_type_without_a_boundary_is_refused(media_type):
    with pytest.raises(RunestoneError) as error:
        read_boundary(media_type)
    assert (error.value.reason, error.value.param) == (Reason.INVALID_REQUEST, "content_type")
