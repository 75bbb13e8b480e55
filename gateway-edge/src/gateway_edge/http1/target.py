"""The path of a request's target (RFC 9112, section 3.2.1), decoded once, so that nobody reads it in two ways. Pure."""

import re
from urllib.parse import unquote

# What a path may hold as it is sent: RFC 3986's characters, and a few that clients do not encode.
_ODD = re.compile(r"[^A-Za-z0-9._~!$&'()*+,;=:@/\"<>^`{|}\[\]%-]|//|/\.{1,2}(?:/|$)|%(?![0-9A-Fa-f]{2})")
_SEPARATOR = re.compile(r"%(?:2[Ff]|25)")  # `/`, which would become a border, and `%`, which would be decoded again
_BORDERS = re.compile(r"[\0-\x1f\x7f\\]|/\.{1,2}(?:/|$)")


def read_path(raw: str) -> str | None:
    """The percent-decoded path, in which `%2F` and `%25` stay as they are: an encoded slash parts nothing (RFC 3986, section
    2.2). None for one that two readers could read differently: an empty segment, `.` or `..`, a backslash, a control
    character, `%` without two hex digits, what is no UTF-8."""
    if _ODD.search(raw):
        return None
    if "%" not in raw:
        return raw
    try:
        path = unquote(_SEPARATOR.sub(_keep, raw), errors="strict")
    except UnicodeDecodeError:
        return None
    return None if _BORDERS.search(path) else path


def _keep(encoded: re.Match[str]) -> str:
    return f"%25{encoded[0][1:].upper()}"
