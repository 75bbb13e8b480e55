"""What is kept of a call that has ended. Pure."""

from gateway_edge.call import Call
from gateway_edge.door.errors import http_status
from gateway_edge.question.capture import question_to_keep
from runestone.audit.v1.audit_pb2 import AuditRecord
from runestone.common.v1.error_pb2 import ERROR_REASON_UNSPECIFIED

MAX_CLIENT_ID = 256
MAX_ENDPOINT = 256
MAX_ATTEMPTS = 16


def describe_call(call: Call, now: float) -> AuditRecord:
    """Its record; `now` is when it ended, on the monotonic clock."""
    arrival, outcome, caller = call.arrival, call.outcome, call.caller
    record = AuditRecord(
        request_id=call.id,
        client_request_id=_printable(arrival.headers.get("x-request-id", "")[:MAX_CLIENT_ID]),
        tenant=caller.tenant,
        key=caller.key,
        endpoint=_printable(arrival.endpoint[:MAX_ENDPOINT]),
        provider=outcome.provider,
        provider_model=outcome.provider_model,
        status=http_status(outcome.error) if outcome.error else 200,
        error_reason=outcome.error.reason.number if outcome.error else ERROR_REASON_UNSPECIFIED,
        cache=outcome.cache,
        attempts=outcome.attempts,
        usage=outcome.usage,
        cost=outcome.cost,
        finish_reason=outcome.finish_reason,
        bytes_sent=call.reply.bytes_sent,
        traceparent=call.trace.traceparent,
        snapshot_version=call.snapshot_version,
        client_address=_printable(arrival.client_address),
        replay_of=outcome.replay_of,
        unbilled=not outcome.is_billed,
        dropped=outcome.dropped,
        route=outcome.route,
        why=outcome.why,
        experiment=outcome.experiment,
        arm=outcome.arm,
        failed_attempts=(*outcome.failed_attempts, *outcome.parts[:-1])[:MAX_ATTEMPTS],
    )
    if call.cause:
        record.cause = call.cause
    if call.question is not None:
        record.model, record.stream = call.question.view.model, call.question.is_stream
        if call.settings.audit.capture == "questions":
            record.question = question_to_keep(call.received, arrival.headers.get("cache-control", ""))
    record.started_at.FromMicroseconds(int(arrival.started_at * 1e6))
    record.duration.FromMicroseconds(int((now - arrival.received_at) * 1e6))
    if call.reply.first_byte_at is not None:
        record.time_to_first_byte.FromMicroseconds(int((call.reply.first_byte_at - arrival.received_at) * 1e6))
    return record


def _printable(text: str) -> str:
    """What a client sent, as text that can be kept: bytes that are no UTF-8 become question marks."""
    return text.encode("utf-8", "replace").decode()
