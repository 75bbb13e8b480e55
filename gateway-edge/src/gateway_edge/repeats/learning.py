"""What of a call that has ended makes a recipe. Pure."""

from chassis.tracing import TRACEPARENT
from gateway_edge.audit_record import describe_call
from gateway_edge.call import Call, Given
from gateway_edge.door.intake import RESUMABLE
from gateway_edge.endpoints.voices import REQUEST_ID
from gateway_edge.http1.request import Request
from gateway_edge.http1.response import LAST_CHUNK, write_chunk, write_length, write_lines
from gateway_edge.idempotency.key import HEADER as IDEMPOTENCY_KEY
from gateway_edge.middleware.rate_limit import DEGRADED
from gateway_edge.repeats.recipes import Counts, Recipe
from gateway_edge.reply import STREAM_HEADERS

OF_ONE_CALL = ("x-request-id", REQUEST_ID, "traceparent", "age", "cache-status", "server-timing")
LIMIT_HEADERS = "x-ratelimit-"
# With one of these a request means something else each time, or is seldom sent twice.
UNREPEATABLE = frozenset({TRACEPARENT, IDEMPOTENCY_KEY, RESUMABLE, "cache-control", "x-runestone-tags"})


def can_be_repeated(request: Request, call: Call) -> bool:
    """Whether nothing but the bytes and the snapshot made the answer what it was."""
    return (
        call.is_repeatable
        and call.outcome.is_complete
        and call.outcome.error is None
        and request.method == "POST"
        and not request.is_http_1_0
        and not call.arrival.is_proxied
        and not call.caller.scope.networks
        and UNREPEATABLE.isdisjoint(call.arrival.headers)
        and DEGRADED not in call.reply.headers
    )


def make_recipe(call: Call, given: Given, counts: Counts, path: str) -> Recipe:
    """How a call's answer is given again; `path` is what it is counted under."""
    caller, question, outcome = call.caller, call.asked, call.outcome
    return Recipe(
        given=given,
        valid_until=caller.scope.valid_until,
        limits=call.limits,
        usage=outcome.usage,
        cost=outcome.cost,
        head=_write_head(call),
        id_headers=tuple(name for name in ("x-request-id", REQUEST_ID) if name in call.reply.headers),
        tail=_write_tail(given.body, is_stream=question.is_stream),
        record=_write_record(call),
        counts=counts,
        facts={
            "endpoint": path,
            "status": 200,
            "reason": None,
            "tenant": caller.tenant,
            "model": question.view.model,
            "provider": outcome.provider,
            "cache": outcome.cache,
            "bytes": call.reply.bytes_sent,
            "version": call.snapshot_version,
        },
    )


def _write_head(call: Call) -> str:
    """What the pipeline says in every such answer."""
    headers = dict(call.reply.headers)
    if call.asked.is_stream:
        headers |= STREAM_HEADERS
    else:
        headers["content-type"] = "application/json"
    same = {
        name: value for name, value in headers.items() if name not in OF_ONE_CALL and not name.startswith(LIMIT_HEADERS)
    }
    return "HTTP/1.1 200 OK\r\n" + write_lines(same)


def _write_tail(body: bytes, *, is_stream: bool) -> bytes:
    """What stands behind the last header that changes."""
    if is_stream:
        return b"transfer-encoding: chunked\r\n\r\n" + write_chunk(body) + LAST_CHUNK
    return write_length(len(body)).encode() + b"\r\n" + body


def _write_record(call: Call) -> bytes:
    record = describe_call(call, call.arrival.received_at)
    record.request_id = record.traceparent = record.client_address = ""
    record.ClearField("started_at")
    record.ClearField("duration")
    record.ClearField("time_to_first_byte")
    return record.SerializeToString()
