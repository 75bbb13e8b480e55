"""Responses' token counts in the mesh's terms, and back: in both the input includes what was cached."""

from provider_svc.dialects.openai_responses.answer_schema import InputDetails, OutputDetails, Tokens
from provider_svc.dialects.prompt import Json
from runestone.common.v1.usage_pb2 import Usage

_NO_INPUT_DETAILS, _NO_OUTPUT_DETAILS = InputDetails(), OutputDetails()


def read_usage(tokens: Tokens) -> Usage:
    """What was used; what is not said stays unset."""
    inputs = tokens.input_tokens_details or _NO_INPUT_DETAILS
    outputs = tokens.output_tokens_details or _NO_OUTPUT_DETAILS
    return Usage(
        input_tokens=tokens.input_tokens,
        output_tokens=tokens.output_tokens,
        cache_read_input_tokens=inputs.cached_tokens,
        cache_write_input_tokens=inputs.cache_write_tokens,
        reasoning_output_tokens=outputs.reasoning_tokens,
    )


def write_usage(usage: Usage) -> Json:
    """OpenAI's object, in which every count stands: one that was not reported as 0."""
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read_input_tokens,
            "cache_write_tokens": usage.cache_write_input_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_output_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
