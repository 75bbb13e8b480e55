"""Anthropic's token counts in the mesh's terms and in OpenAI's.

Anthropic's `input_tokens` are those after the last cache breakpoint; OpenAI's `prompt_tokens`, and ours, are all.
"""

from provider_svc.anthropic.content import Json
from provider_svc.anthropic.schema import TokenCounts
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


def usage_block(usage: Usage) -> Json:
    """OpenAI's `usage`. Details that Anthropic did not report are left out."""
    cached: Json = {}
    if usage.HasField("cache_read_input_tokens"):
        cached["cached_tokens"] = usage.cache_read_input_tokens
    if usage.HasField("cache_write_input_tokens"):
        cached["cache_write_tokens"] = usage.cache_write_input_tokens
    block: Json = {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
    if cached:
        block["prompt_tokens_details"] = cached
    if usage.HasField("reasoning_output_tokens"):
        block["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning_output_tokens}
    return block
