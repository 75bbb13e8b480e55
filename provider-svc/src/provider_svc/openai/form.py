"""A body of multipart/form-data: the client's own bytes, with another model in them (RFC 7578, RFC 2046 section 5.1).

What is read here is read once more by the provider, and both must read the same: a form that one could take for another (a second
model, a name that is written in code, what stands outside the parts) is refused instead of understood.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from chassis.errors import Reason, RunestoneError

MODEL = b"model"
MAX_PARTS = 256
MAX_HEAD = 16 << 10  # bytes of a part's headers
LONGEST_MEDIA_TYPE = 400  # characters

_MEDIA_TYPE = re.compile(r"multipart/form-data[ \t]*(;.*?)[; \t]*", re.IGNORECASE)
_is_boundary = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]").fullmatch  # RFC 2046
_is_token = re.compile(r"[0-9A-Za-z'+_.-]+").fullmatch
_is_model = re.compile(r"[^\x00-\x1f\x7f]+").fullmatch
_DISPOSITION = re.compile(rb"content-disposition[ \t]*:[ \t]*form-data[ \t]*(;.*)", re.IGNORECASE)
_LINE_BREAK = re.compile(rb"[\r\n\0]")
_PARAMETER = re.compile(rb';[ \t]*([\w*-]+)[ \t]*=[ \t]*("(?:[^"\\]|\\.)*"|[^\s";]+)[ \t]*')


class Part(NamedTuple):
    """One field of a form: its name, and where its value stands in the body."""

    name: bytes
    start: int
    end: int


def read_boundary(content_type: str) -> str:
    """What separates the parts of a form. Raises INVALID_REQUEST when the media type is not multipart/form-data with a boundary, or could
    be read as one with another."""
    match = _MEDIA_TYPE.fullmatch(content_type) if len(content_type) <= LONGEST_MEDIA_TYPE else None
    parameters = _split_parameters(match[1].encode()) if match else []
    found = [pair for pair in parameters if pair[0].startswith(b"boundary")]
    boundary = _unquote(found[0][1]).decode() if [name for name, _ in found] == [b"boundary"] else ""
    if not _is_boundary(boundary):
        raise _refused("the content type is not multipart/form-data with one boundary", "content_type")
    return boundary


def write_media_type(boundary: str) -> str:
    """The media type of a form. The boundary is quoted only where it must be: not everybody reads quotes."""
    value = boundary if _is_token(boundary) else f'"{boundary}"'
    return f"multipart/form-data; boundary={value}"


def replace_model(body: bytes, boundary: str, model: str) -> bytes:
    """`body` with `model` as the value of its field `model`, or with that field in front where it has none. Every other byte stays.

    Raises INVALID_REQUEST for a body that is not a form, or could be read in two ways.
    """
    if not _is_model(model):
        raise _refused("the model's name holds a character that no form can", "model")
    fields = [part for part in read_parts(body, boundary) if part.name == MODEL]
    if len(fields) > 1:
        raise _refused("the form names several models", "model")
    value = model.encode()
    if fields:
        return b"".join((body[: fields[0].start], value, body[fields[0].end :]))
    head = b'--%b\r\nContent-Disposition: form-data; name="model"\r\n\r\n' % boundary.encode()
    return b"".join((head, value, b"\r\n", body))


def read_parts(body: bytes, boundary: str) -> Iterator[Part]:
    """The fields of a form, in order. Raises INVALID_REQUEST, at the latest behind the last of them, for what is not a form."""
    mark = b"--" + boundary.encode()
    if not body.startswith(mark):
        raise _refused("the form does not begin with its boundary")
    position, border = len(mark), b"\r\n" + mark
    for number in range(MAX_PARTS + 1):
        if body.startswith(b"--", position):
            _check_end(body[position + 2 :], marks=body.count(mark), parts=number)
            return
        if not body.startswith(b"\r\n", position):
            raise _refused("a boundary of the form is not a line by itself")
        end = body.find(border, position + 2)
        if end < 0:
            raise _refused("the form has no end")
        yield _read_part(body, position + 2, end)
        position = end + len(border)
    raise _refused(f"the form has more than {MAX_PARTS} parts")


def _check_end(rest: bytes, *, marks: int, parts: int) -> None:
    if rest not in {b"", b"\r\n"}:
        raise _refused("something stands behind the form's end")
    if marks != parts + 1:
        raise _refused("a part of the form holds its boundary")


def _read_part(body: bytes, start: int, end: int) -> Part:
    blank = body.find(b"\r\n\r\n", start, min(end, start + MAX_HEAD))
    if blank < 0:
        raise _refused("a part of the form has no headers, or too long ones")
    return Part(_read_name(body[start:blank]), blank + 4, end)


def _read_name(head: bytes) -> bytes:
    """A field's name. One that stands for `model` to whoever decodes it is refused."""
    lines = head.split(b"\r\n")
    found = [match[1] for line in lines if (match := _DISPOSITION.fullmatch(line))]
    names = [pair for text in found for pair in _read_disposition(text) if pair[0].startswith(b"name")]
    if any(_LINE_BREAK.search(line) for line in lines) or len(found) != 1 or [name for name, _ in names] != [b"name"]:
        raise _refused("a part of the form has no name, or several")
    name = _unquote(names[0][1])
    if name != MODEL and _decode(name) == MODEL:
        raise _refused("the form writes the name of its field model in code", "model")
    return name


def _read_disposition(text: bytes) -> list[tuple[bytes, bytes]]:
    parameters = _split_parameters(text)
    if not parameters:
        raise _refused("a part of the form has a content disposition that cannot be read")
    return parameters


def _split_parameters(text: bytes) -> list[tuple[bytes, bytes]]:
    """Names and values of parameters, with their quotes; none where not all of it can be read."""
    found = list(_PARAMETER.finditer(text))
    is_read = b"".join(match[0] for match in found) == text
    return [(match[1].lower(), match[2]) for match in found] if is_read else []


def _unquote(value: bytes) -> bytes:
    return value[1:-1] if value.startswith(b'"') else value


def _decode(name: bytes) -> bytes:
    return unquote_to_bytes(re.sub(rb"\\(.)", rb"\1", name)).strip()


def _refused(message: str, param: str = "body") -> RunestoneError:
    return RunestoneError(Reason.INVALID_REQUEST, message, param=param)
