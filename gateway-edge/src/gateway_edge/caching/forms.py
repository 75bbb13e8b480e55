"""TEMP"""

import re

from msgspec import Struct

from runestone.cache.v1.cache_pb2 import Answer


class Form(Struct, frozen=True):
    is_stream: bool
    wants_usage: bool = False


class Shown(Struct, frozen=True):
    body: bytes
    content_type: str
    ends: tuple[int, ...] = ()
    offsets: tuple[float, ...] = ()


def find_ends(events: bytes) -> list[int]:
    return [m.end() for m in re.finditer(rb"\n\n", events)]


def show(answer: Answer, form: Form) -> Shown | None:
    if (answer.content_type == "text/event-stream") != form.is_stream:
        return None
    return Shown(
        answer.body, answer.content_type, tuple(answer.ends), tuple(o.ToMicroseconds() / 1e6 for o in answer.offsets)
    )
