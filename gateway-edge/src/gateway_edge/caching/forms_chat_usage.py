"""The usage chunk of OpenAI's chat streams: there only if asked for (`stream_options.include_usage`)."""

import re
from bisect import bisect_right

import msgspec
from msgspec import Raw

from gateway_edge.caching.forms_events import DONE, Recording, Unshowable, read_data, write_event
from gateway_edge.caching.forms_pieces import NULL, Members, decode_members
from runestone.common.v1.usage_pb2 import Usage

CHUNK = Raw(b'"chat.completion.chunk"')
NAMELESS = Raw(b'""')  # the `object` of Azure's chunks about content filters
SHARED = frozenset(
    {"id", "object", "created", "model", "service_tier", "system_fingerprint"}
)  # what all chunks of a stream say

_USAGE = re.compile(rb'"usage"\s*:\s*\{')


class _Chunk(msgspec.Struct):
    choices: list[Raw]
    usage: Raw = NULL


_decode_chunk = msgspec.json.Decoder(_Chunk).decode


def fit_usage(recording: Recording, usage: Usage | None, *, wants_usage: bool) -> Recording:
    """The stream with its usage chunk or without; the same object where nothing has to be done.

    Usage that stands beside choices stays where it is, as it does in a stream that is relayed. What nobody has counted is
    not told. Raises ValueError or RecursionError for a stream that cannot be read.
    """
    told = _find_usage(recording)
    if not wants_usage:
        alone = {place for place, is_alone in told.items() if is_alone}
        return recording.without(alone) if alone else recording
    counted = write_usage(usage)
    return recording if told or counted is None else _add(recording, counted)


def write_usage(usage: Usage | None) -> Raw | None:
    """OpenAI's usage object; None when not all of it is known. Details that are unknown are left out."""
    if usage is None or not (usage.HasField("input_tokens") and usage.HasField("output_tokens")):
        return None
    block: dict[str, object] = {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
    cached = {}
    if usage.HasField("cache_read_input_tokens"):
        cached["cached_tokens"] = usage.cache_read_input_tokens
    if usage.HasField("cache_write_input_tokens"):
        cached["cache_write_tokens"] = usage.cache_write_input_tokens
    if cached:
        block["prompt_tokens_details"] = cached
    if usage.HasField("reasoning_output_tokens"):
        block["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning_output_tokens}
    return Raw(msgspec.json.encode(block))


def _find_usage(recording: Recording) -> dict[int, bool]:
    """The places of events that tell usage, and whether they tell nothing else."""
    told = {}
    places = {bisect_right(recording.ends, match.start()) for match in _USAGE.finditer(recording.body)}
    events = recording.events if places else []
    for place in places:
        chunk = _decode_chunk(read_data(events[place]))
        if chunk.usage != NULL:
            told[place] = not chunk.choices
    return told


def _add(recording: Recording, usage: Raw) -> Recording:
    """The stream with a usage chunk before its end, which says of the stream what the last chunk with choices does."""
    done = None
    for place, event in reversed(list(enumerate(recording.events))):
        data = read_data(event)
        if data == DONE:
            done = place
        elif data and (head := _read_head(data)) is not None and done is not None:
            return recording.insert(done, write_event(msgspec.json.encode({**head, "choices": [], "usage": usage})))
    raise Unshowable("a stream without choices, or without an end")


def _read_head(data: bytes) -> Members | None:
    """What a chunk says of its stream; None for one without choices, and for Azure's on content filters, which say nothing."""
    members = decode_members(data)
    if not _decode_chunk(data).choices or members.get("object") == NAMELESS:
        return None
    return {name: value for name, value in members.items() if name in SHARED}
