"""What a client of a channel is told of its streams and its errors, as JSON. Pure."""

from collections.abc import Mapping

import orjson

from chassis.billing.price import spell_dollars
from chassis.errors import RunestoneError
from gateway_edge.call import Outcome
from gateway_edge.door.errors import error_body, http_status
from runestone.common.v1.usage_pb2 import Usage

# Of an answer's headers those that have a name of their own in what a client is told; all of them stand in `headers`.
NAMED = {
    "x-runestone-provider": "provider",
    "x-runestone-model": "model",
    "x-cache": "cache",
}


def write_refusal(error: RunestoneError) -> bytes:
    """Why a message was not done: `reason` as clients of Phoenix look for it, `error` as OpenAI's have it, the `status` that it would
    have over HTTP, and where that is known the milliseconds after which it may be tried again."""
    said = {"reason": error.reason.lower(), **_read_error(error), "status": http_status(error)}
    if error.retry_after is not None:
        said["retry_after_ms"] = -int(-error.retry_after * 1000 // 1)
    return orjson.dumps(said)


def write_stream(stream_id: str) -> bytes:
    """Which stream it is about."""
    return orjson.dumps({"stream_id": stream_id})


def write_started(stream_id: str, headers: Mapping[str, str]) -> bytes:
    """Who answers."""
    named = {name: headers.get(header) for header, name in NAMED.items()}
    return orjson.dumps({"stream_id": stream_id, **named, "headers": dict(headers)})


def write_failed(stream_id: str, error: RunestoneError) -> bytes:
    """How a stream ended that is not whole."""
    return b'{"stream_id":%b,%b' % (orjson.dumps(stream_id), write_refusal(error)[1:])


def write_complete(stream_id: str, last: int, outcome: Outcome, *, is_shared: bool = False) -> bytes:
    """The end of a whole stream whose last event has the number `last`. What was given for nothing costs 0, but where the stream `is_shared`
    with the call that pays for it."""
    usage = orjson.dumps(read_usage(outcome.usage))
    head = (orjson.dumps(stream_id), last, usage, _spell_cost(outcome, is_shared), orjson.dumps(outcome.finish_reason))
    return b'{"stream_id":%b,"seq":%d,"usage":%b,"cost":%b,"finish_reason":%b}' % head


def read_usage(usage: Usage | None) -> dict[str, int | bool] | None:
    """What was used, by the names of the record; None where nobody said."""
    return None if usage is None else {field.name: value for field, value in usage.ListFields()}


def add_provenance(document: bytes, call_id: str, headers: Mapping[str, str], outcome: Outcome) -> bytes:
    """A whole answer, with one member more: `runestone` says which call it was, who answered and what it cost. What is no object stays
    as it is."""
    if not document.startswith(b"{"):
        return document
    named = {"request_id": call_id, **{name: headers.get(header) for header, name in NAMED.items()}}
    member = b'"runestone":%b,"cost":%b}' % (orjson.dumps(named)[:-1], _spell_cost(outcome, is_shared=False))
    rest = document[1:].lstrip()
    return b"{" + member + (b"" if rest.startswith(b"}") else b",") + rest


def _spell_cost(outcome: Outcome, is_shared: bool) -> bytes:
    """In dollars, exactly; `null` where it is not known, which is not 0."""
    if not outcome.is_billed and not is_shared:
        return b"0"
    return b"null" if outcome.cost is None else spell_dollars(outcome.cost.nano_usd).encode()


def _read_error(error: RunestoneError) -> dict[str, object]:
    read: dict[str, object] = orjson.loads(error_body(error))
    return read
