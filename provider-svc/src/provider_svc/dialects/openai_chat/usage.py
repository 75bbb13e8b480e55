"""OpenAI's usage object and the mesh's."""

import msgspec

from provider_svc.dialects.openai_chat.schema import Json
from provider_svc.documents import UNREADABLE, Count
from runestone.common.v1.usage_pb2 import Usage


class InputDetails(msgspec.Struct):
    """Of which the input tokens are made up."""

    cached_tokens: Count = None
    cache_write_tokens: Count = None


class OutputDetails(msgspec.Struct):
    """Of which the output tokens are made up."""

    reasoning_tokens: Count = None


class Tokens(msgspec.Struct):
    """A usage object. `prompt_cache_hit_tokens` is DeepSeek's word for cached ones."""

    prompt_tokens: Count = None
    completion_tokens: Count = None
    prompt_tokens_details: InputDetails | None = None
    completion_tokens_details: OutputDetails | None = None
    prompt_cache_hit_tokens: Count = None


_NO_INPUT_DETAILS, _NO_OUTPUT_DETAILS = InputDetails(), OutputDetails()

_decode_tokens = msgspec.json.Decoder(Tokens).decode


def read_usage(raw: msgspec.Raw) -> Usage | None:
    """The usage object as the mesh counts; None when it is null or is not one. What is not said stays unset."""
    try:
        tokens = _decode_tokens(raw)
    except UNREADABLE:
        return None
    inputs = tokens.prompt_tokens_details or _NO_INPUT_DETAILS
    outputs = tokens.completion_tokens_details or _NO_OUTPUT_DETAILS
    cached = inputs.cached_tokens
    return Usage(
        input_tokens=tokens.prompt_tokens,
        output_tokens=tokens.completion_tokens,
        cache_read_input_tokens=tokens.prompt_cache_hit_tokens if cached is None else cached,
        cache_write_input_tokens=inputs.cache_write_tokens,
        reasoning_output_tokens=outputs.reasoning_tokens,
    )


def write_usage(usage: Usage) -> Json:
    """The usage object. Details that the provider did not report are left out."""
    block: Json = {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
    inputs: Json = {}
    if usage.HasField("cache_read_input_tokens"):
        inputs["cached_tokens"] = usage.cache_read_input_tokens
    if usage.HasField("cache_write_input_tokens"):
        inputs["cache_write_tokens"] = usage.cache_write_input_tokens
    if inputs:
        block["prompt_tokens_details"] = inputs
    if usage.HasField("reasoning_output_tokens"):
        block["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning_output_tokens}
    return block
