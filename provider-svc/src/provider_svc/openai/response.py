"""A unary answer: relayed as the bytes it came as; usage and finish reason are read beside."""

import orjson

from chassis.errors import Reason, RunestoneError
from provider_svc.documents import UNREADABLE
from provider_svc.failures import failure_of_object
from provider_svc.openai.schema import NULL, Document, decode_document, read_usage
from provider_svc.provider import Meter


def read_answer(body: bytes, meter: Meter) -> None:
    """Meters a whole answer. Raises PROVIDER_INVALID_ANSWER when it is not a JSON object of this shape, and what an error
    object says where the provider sent one with status 200."""
    try:
        document = decode_document(body)
    except UNREADABLE as exc:
        raise RunestoneError(
            Reason.PROVIDER_INVALID_ANSWER, "the provider's answer is not the JSON of its protocol", upstream_status=200
        ) from exc
    raise_error(document, body)
    note(document, meter)


def note(document: Document, meter: Meter) -> None:
    """Writes down what a document or chunk says about usage and the finish."""
    if document.usage != NULL and (usage := read_usage(document.usage)) is not None:
        meter.usage = usage
    if reason := document.finish_reason:
        meter.finish_reason = reason


def raise_error(document: Document, body: bytes) -> None:
    """Raises what an error object in a document or chunk says."""
    if document.error != NULL and document.has_error and (failure := failure_of_object(orjson.loads(body))) is not None:
        raise failure
