"""The grammar of model names: `status=429,retry_after=2` or `words=200,pace=20ms,no_done`, parts in any order.

A part that is neither a wish nor has a `=` is a name and wishes nothing, so `gpt-4o` and `gpt-4o,words=5` work too.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What is to happen to one request. Times are in seconds, sizes in bytes; 0 and "" wish nothing."""

    words: int = 8  # of the answer
    latency: float = 0.0  # before the status line
    pace: float = 0.0  # between two events
    drip: int = 0  # write the body so many bytes at a time, `pace` apart
    huge: int = 0  # one event (or document) with so many bytes of text
    repeat: int = 1  # say the words so many times over: streams larger than all buffers
    status: int = 200  # answer with this status and an error body
    retry_after: str = ""  # seconds
    retry_after_ms: str = ""  # milliseconds
    retry_after_date: int = 0  # a date so many seconds ahead
    hang: str = ""  # headers: never answer; body: never go on behind the first event
    cut: int = 0  # break the connection behind so many bytes of the body
    end: int = 0  # end the body properly behind so many bytes
    cut_events: int = 0  # break the connection behind so many events
    error_event: int = 0  # an error object behind so many events
    close: bool = False  # break the connection instead of answering
    garbage: bool = False  # data that is not JSON, behind two events (or as the document)
    no_done: bool = False  # a proper end of the body, but not of the stream
    error_200: bool = False  # an error object with status 200
    html_503: bool = False  # a proxy's page
    html_200: bool = False  # the same, taking itself for an answer
    redirect: bool = False  # to the same path of the same server
    gzip: bool = False  # compressed as announced
    lying_gzip: bool = False  # announced as compressed, and not
    no_usage: bool = False
    usage_on_last_choice: bool = False  # not in a chunk of its own
    crlf: bool = False  # events end with CRLF


SECONDS = {"ms": 0.001, "s": 1.0, "": 1.0}
BYTES = {"KiB": 1 << 10, "MiB": 1 << 20, "": 1}
KNOWN = {field.name: type(field.default) for field in fields(Wishes)}


def read_wishes(model: str) -> Wishes:
    """What `model` wishes. Raises ValueError for a wish that is not known."""
    parts = (part.partition("=") for part in model.split(","))
    known = {name: READERS[kind](value) for name, equals, value in parts if (kind := _kind(name, equals)) is not None}
    return replace(Wishes(), **known)


def _kind(name: str, equals: str) -> type | None:
    if name not in KNOWN and equals:
        raise ValueError(f"unknown wish {name!r}")
    return KNOWN.get(name)


def _read_number(units: dict[str, float], text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([A-Za-z]*)", text)
    if match is None or match[2] not in units:
        raise ValueError(f"unknown amount {text!r}")
    return float(match[1]) * units[match[2]]


READERS: dict[type, Callable[[str], Any]] = {
    bool: lambda text: text in {"", "1"},
    str: str,
    int: lambda text: int(_read_number(BYTES, text)),
    float: lambda text: _read_number(SECONDS, text),
}
