"""Anthropic's token counts in the mesh's terms, and back.

Anthropic's `input_tokens` are those that its prompt cache neither read nor wrote; ours are all.
"""

from msgspec import Struct

from provider_svc.documents import Count
from runestone.common.v1.usage_pb2 import Usage


class OutputDetails(Struct, frozen=True):
    """The part of the output that was reasoning, in tokens."""

    thinking_tokens: Count = None


class TokenCounts(Struct, frozen=True):
    """Anthropic's `usage`; a message_delta's counts are cumulative."""

    input_tokens: Count = None
    output_tokens: Count = None
    cache_read_input_tokens: Count = None
    cache_creation_input_tokens: Count = None
    output_tokens_details: OutputDetails | None = None


NO_COUNTS = TokenCounts()


class Tally:
    """The last of each count that one answer told."""

    def __init__(self) -> None:
        self._uncached: int | None = None
        self._read: int | None = None
        self._written: int | None = None
        self._output: int | None = None
        self._thought: int | None = None

    def note(self, counts: TokenCounts) -> Usage | None:
        """What is known with these; None where they say nothing. Nobody else has the message."""
        if counts == NO_COUNTS:
            return None
        self._uncached = _later(self._uncached, counts.input_tokens)
        self._read = _later(self._read, counts.cache_read_input_tokens)
        self._written = _later(self._written, counts.cache_creation_input_tokens)
        self._output = _later(self._output, counts.output_tokens)
        if counts.output_tokens_details is not None:
            self._thought = _later(self._thought, counts.output_tokens_details.thinking_tokens)
        return Usage(
            input_tokens=self._input(),
            output_tokens=self._output,
            cache_read_input_tokens=self._read,
            cache_write_input_tokens=self._written,
            reasoning_output_tokens=self._thought,
        )

    def _input(self) -> int | None:
        if self._uncached is None:
            return None
        return self._uncached + (self._read or 0) + (self._written or 0)


def _later(before: int | None, now: int | None) -> int | None:
    return before if now is None else now


def write_usage(usage: Usage | None) -> dict[str, object]:
    """Anthropic's `usage`, which has two counts always; others that were not reported are left out."""
    if usage is None:
        return {"input_tokens": 0, "output_tokens": 0}
    cached = usage.cache_read_input_tokens + usage.cache_write_input_tokens
    counts: dict[str, object] = {"input_tokens": max(0, usage.input_tokens - cached)}
    if usage.HasField("cache_write_input_tokens"):
        counts["cache_creation_input_tokens"] = usage.cache_write_input_tokens
    if usage.HasField("cache_read_input_tokens"):
        counts["cache_read_input_tokens"] = usage.cache_read_input_tokens
    counts["output_tokens"] = usage.output_tokens
    if usage.HasField("reasoning_output_tokens"):
        counts["output_tokens_details"] = {"thinking_tokens": usage.reasoning_output_tokens}
    return counts
