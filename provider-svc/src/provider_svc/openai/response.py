"""Unary answers: relayed as the bytes they came as; usage, finish reason and errors are read beside.

Each function raises PROVIDER_INVALID_ANSWER when an answer is not a JSON object of its shape, and what an error object says where the
provider sent one with status 200.
"""

import orjson
from msgspec import Raw

from provider_svc.dialects.openai_chat.usage import read_usage
from provider_svc.documents import read_answered
from provider_svc.failures import failure_of_object
from provider_svc.openai.schema import (
    NULL,
    Document,
    Media,
    Ranking,
    decode_document,
    decode_media,
    decode_ranking,
    has_content,
    read_counts,
)
from provider_svc.provider import Meter


def read_answer(body: bytes, meter: Meter) -> None:
    """Meters a chat completion, or a completion."""
    document = read_answered(decode_document, body)
    raise_error(document.error, body)
    note(document, meter)


def read_media(body: bytes, meter: Meter) -> None:
    """Meters embeddings, moderations, images and transcriptions, each as far as it says what was used."""
    document = read_answered(decode_media, body)
    raise_error(document.error, body)
    note_counts(document, meter)


def read_ranking(body: bytes, meter: Meter) -> None:
    """Meters a ranking: Cohere counts tokens in a place of its own."""
    document = read_answered(decode_ranking, body)
    raise_error(document.error, body)
    note_counts(document, meter)
    if meter.usage is None and document.meta is not None:
        meter.usage = read_counts(document.meta.tokens)


def note(document: Document, meter: Meter) -> None:
    """Writes down what a document or chunk says about usage and the finish."""
    if document.usage != NULL and (usage := read_usage(document.usage)) is not None:
        meter.usage = usage
    if reason := document.finish_reason:
        meter.finish_reason = reason


def note_counts(document: Media | Ranking, meter: Meter) -> None:
    """Writes down what a document or event of the later endpoints says about usage."""
    if document.usage != NULL and (usage := read_counts(document.usage)) is not None:
        meter.usage = usage


def raise_error(error: Raw, body: bytes) -> None:
    """Raises what the error object `error` in the document or event `body` says, as far as it can be read."""
    if error == NULL or not has_content(error):
        return
    if (failure := failure_of_object(read_answered(orjson.loads, body))) is not None:
        raise failure
