"""What a stream used whose end nobody read: estimated from the bytes that passed. Pure.

Nothing is done while a stream passes but to add up sizes and keep its beginning. Tokenizers are not asked: one that stands still for a
long text would hold up every other call, and each model has its own.
"""

import re
from collections.abc import Iterable, Mapping

import msgspec

from runestone.common.v1.usage_pb2 import Usage

BYTES_A_TOKEN = 4
SAMPLE = 64 << 10  # bytes of a stream that are read to find the share of its text
ATTACHMENT = 1 << 10  # bytes above which a string without a space is a file, not text
ATTACHMENT_TOKENS = 1_000  # of a picture or a page, whatever its bytes

_LONG_STRING = re.compile(rb'"([^"]{%d,})' % ATTACHMENT)

# Members of a delta that are no text of the model's.
NOT_SAID = frozenset({
    "type", "role", "id", "signature", "audio", "data", "encrypted_content", "citations", "citation", "stop_reason", "stop_sequence",
})  # fmt: skip


class Passed:
    """What of a stream has passed: `size` counts its bytes."""

    __slots__ = ("_kept", "_left", "size")

    def __init__(self) -> None:
        self.size = 0
        self._left = SAMPLE
        self._kept: list[bytes] = []

    def add(self, events: bytes) -> None:
        """Whole SSE events more."""
        self.size += len(events)
        if self._left > 0:
            self._left -= len(events)
            self._kept.append(events)

    def count_tokens(self) -> int:
        """How many the model wrote, about: the text in what was kept, in proportion to what passed."""
        kept = sum(map(len, self._kept))
        if not kept:
            return 0
        text = sum(map(measure_text, self._kept))
        return -(-text * self.size // (kept * BYTES_A_TOKEN))


def fill_in(reported: Usage | None, body: Iterable[bytes], passed: Passed) -> Usage:
    """The usage of a stream that ended early: what the provider had said stands, the rest is estimated, of the output at least what
    passed. `body` is the request's JSON, in parts."""
    usage = Usage(is_estimated=True)
    if reported is not None:
        usage.MergeFrom(reported)
    if not usage.HasField("input_tokens"):
        usage.input_tokens = sum(map(count_read, body))
    usage.output_tokens = max(usage.output_tokens, passed.count_tokens())
    return usage


def count_read(document: bytes) -> int:
    """Tokens that a JSON text is, about. A file in it, which nobody tokenizes as text, counts as many as a picture."""
    if len(document) < ATTACHMENT:
        return -(-len(document) // BYTES_A_TOKEN)
    text, files = len(document), 0
    for found in _LONG_STRING.finditer(document):
        start, end = found.span(1)
        if _is_file(document[start : start + ATTACHMENT]):
            text -= end - start
            files += 1
    return -(-text // BYTES_A_TOKEN) + files * ATTACHMENT_TOKENS


def measure_text(events: bytes) -> int:
    """Bytes of what the model said in these events, whatever the dialect: its deltas, and what stands in their place."""
    return sum(_measure_event(line[5:]) for line in events.split(b"\n") if line.startswith(b"data:"))


def _is_file(begin: bytes) -> bool:
    return b" " not in begin and b"\\" not in begin and begin.isascii()


def _measure_event(data: bytes) -> int:
    try:
        event = msgspec.json.decode(data)
        return sum(map(_measure, _list_said(event))) if isinstance(event, dict) else 0
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return 0  # nothing that a client could read


def _list_said(event: Mapping[str, object]) -> list[object]:
    """Where its dialect has what is new in an event: in each choice, or in the event itself."""
    choices = event.get("choices")
    if isinstance(choices, list):
        return [choice.get("delta", choice.get("text")) for choice in choices if isinstance(choice, dict)]
    return [] if str(event.get("type")).endswith("audio.delta") else [event.get("delta")]


def _measure(value: object) -> int:
    """Bytes of all strings in it that the model said."""
    if isinstance(value, str):
        return len(value.encode("utf-8", "replace"))
    if isinstance(value, list):
        return sum(map(_measure, value))
    if isinstance(value, dict):
        return sum(_measure(inner) for name, inner in value.items() if name not in NOT_SAID)
    return 0
