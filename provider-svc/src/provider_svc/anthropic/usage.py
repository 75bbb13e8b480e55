"""Anthropic's token counts in the mesh's terms: its `input_tokens` are those after the last cache breakpoint, ours are all."""

from provider_svc.dialects.anthropic_messages.usage import TokenCounts
from runestone.common.v1.usage_pb2 import Usage


def count(usage: Usage | None, counts: TokenCounts) -> Usage | None:
    """`usage` with the later `counts` in place of its own where they say something; None while nothing was said."""
    told = Usage()
    if usage is not None:
        told.CopyFrom(usage)
    _count_input(told, counts)
    if counts.output_tokens is not None:
        told.output_tokens = counts.output_tokens
    details = counts.output_tokens_details
    if details is not None and details.thinking_tokens is not None:
        told.reasoning_output_tokens = details.thinking_tokens
    return told if told.ListFields() or usage is not None else None


def _count_input(told: Usage, counts: TokenCounts) -> None:
    """A message_delta may repeat any of the three input counts, so the uncached one is kept as what it is."""
    uncached = counts.input_tokens
    if uncached is None and told.HasField("input_tokens"):
        uncached = max(0, told.input_tokens - told.cache_read_input_tokens - told.cache_write_input_tokens)
    if counts.cache_read_input_tokens is not None:
        told.cache_read_input_tokens = counts.cache_read_input_tokens
    if counts.cache_creation_input_tokens is not None:
        told.cache_write_input_tokens = counts.cache_creation_input_tokens
    if uncached is not None:
        told.input_tokens = uncached + told.cache_read_input_tokens + told.cache_write_input_tokens
