"""What is read of OpenAI's answers: usage, finish reasons and errors. Everything else passes unread, but well-formed."""

import msgspec

from provider_svc.dialects.openai_chat.usage import InputDetails, OutputDetails
from provider_svc.documents import UNREADABLE, Count
from runestone.common.v1.usage_pb2 import Usage

NULL = msgspec.Raw(b"null")


class Choice(msgspec.Struct):
    """One of an answer's choices."""

    finish_reason: str | None = None


class Document(msgspec.Struct):
    """A whole answer, or one chunk of a stream."""

    choices: list[Choice] | None = None
    usage: msgspec.Raw = NULL
    error: msgspec.Raw = NULL

    @property
    def finish_reason(self) -> str:
        """The first choice's; empty when it has not stopped or does not say."""
        return (self.choices and self.choices[0].finish_reason) or ""

    @property
    def is_usage_only(self) -> bool:
        """Whether this is the extra chunk that `stream_options.include_usage` asks for."""
        return self.choices == [] and self.usage != NULL


class Media(msgspec.Struct):
    """A whole answer of an endpoint that is no conversation, or an event of its stream."""

    type: str = ""
    usage: msgspec.Raw = NULL
    error: msgspec.Raw = NULL


class Billing(msgspec.Struct):
    """What Cohere says of the cost of a ranking."""

    tokens: msgspec.Raw = NULL


class Ranking(msgspec.Struct):
    """A ranking."""

    usage: msgspec.Raw = NULL
    meta: Billing | None = None
    error: msgspec.Raw = NULL


class Counts(msgspec.Struct):
    """The usage object of the later endpoints; those who imitate them count as Chat Completions does, or in total only."""

    input_tokens: Count = None
    output_tokens: Count = None
    prompt_tokens: Count = None
    completion_tokens: Count = None
    total_tokens: Count = None
    input_tokens_details: InputDetails | None = None
    output_tokens_details: OutputDetails | None = None


_NO_INPUT_DETAILS, _NO_OUTPUT_DETAILS = InputDetails(), OutputDetails()

decode_document = msgspec.json.Decoder(Document).decode
decode_media = msgspec.json.Decoder(Media).decode
decode_ranking = msgspec.json.Decoder(Ranking).decode
_decode_counts = msgspec.json.Decoder(Counts | None).decode


def has_content(error: msgspec.Raw) -> bool:
    """Whether there is an error object; the official SDKs raise on any truthy value. What cannot be read is one."""
    try:
        return bool(msgspec.json.decode(error))
    except UNREADABLE:
        return True


def read_counts(raw: msgspec.Raw) -> Usage | None:
    """The usage object of an endpoint that is no chat as the mesh counts; None when it is null or is not one. What is counted in
    another unit than tokens is no usage."""
    try:
        counts = _decode_counts(raw)
    except UNREADABLE:
        return None
    if counts is None:
        return None
    outputs = _first(counts.output_tokens, counts.completion_tokens)
    inputs = _first(counts.input_tokens, counts.prompt_tokens, None if outputs else counts.total_tokens)
    if inputs is None and outputs is None:
        return None
    of_input = counts.input_tokens_details or _NO_INPUT_DETAILS
    of_output = counts.output_tokens_details or _NO_OUTPUT_DETAILS
    return Usage(
        input_tokens=inputs,
        output_tokens=outputs,
        cache_read_input_tokens=of_input.cached_tokens,
        cache_write_input_tokens=of_input.cache_write_tokens,
        reasoning_output_tokens=of_output.reasoning_tokens,
    )


def _first(*counts: int | None) -> int | None:
    """The first that was said."""
    return next((count for count in counts if count is not None), None)
