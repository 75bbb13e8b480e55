"""The grammar of wishes: `status=429,retry_after=2` or `words=200,pace=20ms,no_done`, parts in any order.

Wishes stand in the model's name, in the header `x-fake-wishes`, in a script and in `FakeProvider(wishes=...)`. A part that is neither
a wish nor has a `=` is a name and wishes nothing, so `gpt-4o` and `gpt-4o,words=5` work too.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What is to happen to one request. Times are in seconds, sizes in bytes; 0 and "" wish nothing."""

    # What is said.
    words: int = 8  # of the answer
    say: str = ""  # these words instead; may not hold a comma
    huge: int = 0  # one event (or document) with so many bytes of text
    repeat: int = 1  # say the words so many times over: streams larger than all buffers
    think: int = 0  # words of thinking, asked for or not; where it is asked for, 4 unless said otherwise
    no_think: bool = False  # not even where it is asked for
    redacted: bool = False  # a block of redacted thinking behind the thinking (Anthropic)
    reasoning_field: str = (
        ""  # chat: tell the thinking in this member of message and delta (`reasoning_content`, `reasoning`)
    )
    reasoning_text: bool = False  # responses: tell the thinking itself, as open models do, instead of a summary
    calls: int = 0  # call so many of the given tools, in turn; without a wish only where tool_choice forces one
    call: str = ""  # the tool of this name
    rounds: int = 1  # so many rounds of calls before an answer in words
    preamble: bool = False  # say the words before the calls (or the refusal), too
    mixed: bool = False  # chat: pieces of parallel calls take turns in the stream
    refuse: bool = False  # refuse to answer, in the dialect's form
    cite: bool = False  # one source, in the dialect's form
    finish: str = ""  # length, filter, pause, context: stop for this reason
    # What it cost.
    input: int = 11  # tokens of the prompt, cached ones included
    cached: int = 4
    no_usage: bool = False
    usage_on_last_choice: bool = False  # chat: not in a chunk of its own
    # How strict it is.
    strict: bool = False  # OpenAI: refuse unknown members of the body (Anthropic always does)
    lax: bool = False  # check nothing
    # What goes wrong.
    latency: float = 0.0  # before the status line
    pace: float = 0.0  # between two events
    hold: int = 0  # wait behind so many events until the test lets the exchange go on
    drip: int = 0  # write the body so many bytes at a time, `pace` apart
    status: int = 200  # answer with this status and an error body
    retry_after: str = ""  # seconds
    retry_after_ms: str = ""  # milliseconds
    retry_after_date: int = 0  # a date so many seconds ahead
    hang: str = ""  # headers: never answer; body: never go on behind the first event
    cut: int = 0  # break the connection behind so many bytes of the body
    end: int = 0  # end the body properly behind so many bytes
    cut_events: int = 0  # break the connection behind so many events
    cut_inside: int = 0  # break the connection in the middle of this event, counted from 1
    cut_character: bool = False  # break the connection inside the first character of several bytes
    error_event: int = 0  # an error object behind so many events
    failed_event: int = 0  # responses: `response.failed` behind so many events
    close: bool = False  # break the connection instead of answering
    reset: bool = False  # the same, so that the client's socket is reset
    garbage: bool = False  # data that is not JSON, behind two events (or as the document)
    no_done: bool = False  # a proper end of the body, but not of the stream
    error_200: bool = False  # an error object with status 200
    html_503: bool = False  # a proxy's page
    html_200: bool = False  # the same, taking itself for an answer
    redirect: bool = False  # to the same path of the same server
    gzip: bool = False  # compressed as announced
    lying_gzip: bool = False  # announced as compressed, and not
    crlf: bool = False  # events end with CRLF
    comments: bool = False  # a comment before each event, as proxies send to keep a connection


SECONDS = {"ms": 0.001, "s": 1.0, "": 1.0}
BYTES = {"KiB": 1 << 10, "MiB": 1 << 20, "": 1}
KNOWN = {field.name: type(field.default) for field in fields(Wishes)}
NOTHING = Wishes()


@lru_cache(maxsize=512)
def read_wishes(*texts: str) -> Wishes:
    """What `texts` wish together, later ones over earlier ones. Raises ValueError for a wish that is not known."""
    wishes = NOTHING
    for text in texts:
        parts = (part.partition("=") for part in text.split(","))
        known = {
            name: READERS[kind](value) for name, equals, value in parts if (kind := _kind(name, equals)) is not None
        }
        wishes = replace(wishes, **known)
    return wishes


def _kind(name: str, equals: str) -> type | None:
    if name not in KNOWN and equals:
        raise ValueError(f"unknown wish {name!r}")
    return KNOWN.get(name)


def _read_number(units: Mapping[str, float], text: str) -> float:
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
