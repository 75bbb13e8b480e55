"""Anthropic's token counts (https://docs.claude.com/en/api/messages); whatever else stands in them is passed over."""

import msgspec

from provider_svc.documents import Count


class OutputDetails(msgspec.Struct, frozen=True):
    """The part of the output that was reasoning, in tokens."""

    thinking_tokens: Count = None


class TokenCounts(msgspec.Struct, frozen=True):
    """Anthropic's `usage`. `input_tokens` leaves out both cache counts; a message_delta's counts are cumulative."""

    input_tokens: Count = None
    output_tokens: Count = None
    cache_read_input_tokens: Count = None
    cache_creation_input_tokens: Count = None
    output_tokens_details: OutputDetails | None = None
