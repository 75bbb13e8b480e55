"""The forms in which one kept answer can be shown: a document or a stream, with a usage chunk or without.

Whichever form an answer was kept in, it serves both kinds of calls. In its own form it is shown as the bytes it is; another
form is made of it by its dialect's rules, exactly or not at all. A dialect without rules has an answer's own form only.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple, Protocol

import msgspec

from gateway_edge.caching import forms_chat_fold, forms_chat_unfold, forms_chat_usage
from gateway_edge.caching.forms_events import UNREADABLE, Recording, Unshowable, find_ends
from runestone.cache.v1.cache_pb2 import Answer
from runestone.common.v1.dialect_pb2 import DIALECT_OPENAI_CHAT, Dialect
from runestone.common.v1.usage_pb2 import Usage

__all__ = ["Form", "Shown", "find_ends", "show"]

EVENTS = "text/event-stream"
DOCUMENT = "application/json"


class Form(msgspec.Struct, frozen=True):
    """How a client wants an answer. `wants_usage`: whether its stream is to tell the tokens."""

    is_stream: bool
    wants_usage: bool = False
    dialect: "Dialect.ValueType" = DIALECT_OPENAI_CHAT


class Shown(msgspec.Struct, frozen=True):
    """An answer as the client gets it. Of a stream, `ends` says where each event ends in `body`, in bytes, and `offsets`
    when it came, in seconds from the first event; both are empty where that is unknown."""

    body: bytes
    content_type: str
    ends: tuple[int, ...] = ()
    offsets: tuple[float, ...] = ()


class Fold(Protocol):
    """Makes a document of a stream."""

    def __call__(self, events: Sequence[bytes], usage: Usage | None) -> bytes:
        """Raises ValueError or RecursionError when these events make no document."""


class Unfold(Protocol):
    """Makes the events of a stream of a document."""

    def __call__(self, document: bytes, usage: Usage | None, *, wants_usage: bool) -> list[bytes]:
        """Raises ValueError or RecursionError when this document makes no stream."""


class Fit(Protocol):
    """Makes of a stream one with usage, or one without."""

    def __call__(self, recording: Recording, usage: Usage | None, *, wants_usage: bool) -> Recording:
        """The same object where nothing has to be done. Raises ValueError or RecursionError for a stream of another shape."""


class Converter(NamedTuple):
    """One dialect's rules."""

    fold: Fold
    unfold: Unfold
    fit: Fit


CONVERTERS = {
    DIALECT_OPENAI_CHAT: Converter(forms_chat_fold.fold, forms_chat_unfold.unfold, forms_chat_usage.fit_usage),
}


def show(answer: Answer, form: Form) -> Shown | None:
    """`answer` in this form; None when it cannot be shown so, or not in a single way, and then is a miss. So is a kept
    refusal."""
    body, content_type = answer.body, answer.content_type
    is_stream = content_type.startswith(EVENTS)
    if body and not is_stream and not form.is_stream:
        return Shown(body, content_type)
    converter = CONVERTERS.get(form.dialect)
    if body and is_stream and form.is_stream and converter is None:
        return Shown(body, content_type, tuple(answer.ends), _read_offsets(answer, len(answer.ends)))
    if not body or converter is None:
        return None
    try:
        return (_show_stream if is_stream else _show_document)(answer, body, form, converter)
    except UNREADABLE:
        return None


def _show_stream(answer: Answer, body: bytes, form: Form, converter: Converter) -> Shown:
    usage, ends = _read_usage(answer), _read_ends(answer, body)
    if not form.is_stream:
        return Shown(converter.fold(Recording(body, ends).events, usage), DOCUMENT)
    recording = Recording(body, ends, _read_offsets(answer, len(ends)))
    fit = converter.fit(recording, usage, wants_usage=form.wants_usage)
    return Shown(fit.body, answer.content_type, tuple(fit.ends), tuple(fit.offsets))


def _show_document(answer: Answer, body: bytes, form: Form, converter: Converter) -> Shown:
    events = converter.unfold(body, _read_usage(answer), wants_usage=form.wants_usage)
    return Shown(b"".join(events), EVENTS, tuple(accumulate(map(len, events))))


def _read_usage(answer: Answer) -> Usage | None:
    return answer.usage if answer.HasField("usage") else None


def _read_ends(answer: Answer, body: bytes) -> Sequence[int]:
    """Where the events of `body` end. Raises Unshowable when the last one has not ended."""
    ends = tuple(answer.ends) or find_ends(body)
    if not ends or ends[-1] != len(body):
        raise Unshowable("the last event has not ended")
    return ends


def _read_offsets(answer: Answer, events: int) -> tuple[float, ...]:
    """When each event came; empty unless that is known of all."""
    offsets = tuple(offset.seconds + offset.nanos / 1e9 for offset in answer.offsets)
    return offsets if len(offsets) == events else ()
