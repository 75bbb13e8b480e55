"""One audit record as a JSON object: every member always there, null where nobody said. Pure."""

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from chassis.errors import Reason
from runestone.audit.v1.audit_pb2 import AuditRecord
from runestone.common.v1.attempt_pb2 import Attempt
from runestone.common.v1.usage_pb2 import Usage

# Members that are written otherwise than they stand in the message.
TRANSLATED = {
    "started_at",
    "duration",
    "time_to_first_byte",
    "error_reason",
    "usage",
    "question",
    "cost",
    "dropped",
    "failed_attempts",
}


def describe_record(record: AuditRecord) -> dict[str, object]:
    """The record, `request_id` first. Times in milliseconds, the start in ISO 8601 (UTC), its cost in US dollars. Of a question only its size: what
    people asked is not to stand wherever a search is piped to."""
    plain = {
        field.name: getattr(record, field.name)
        for field in AuditRecord.DESCRIPTOR.fields
        if field.name not in TRANSLATED and field.message_type is None
    }
    return {
        "request_id": record.request_id,
        "started_at": record.started_at.ToJsonString(),
        "duration_ms": _milliseconds(record, "duration"),
        "time_to_first_byte_ms": _milliseconds(record, "time_to_first_byte"),
        **plain,
        "error_reason": Reason.of_number(record.error_reason).value if record.error_reason else None,
        "usage": _describe_usage(record.usage) if record.HasField("usage") else None,
        "cost_usd": record.cost.nano_usd / 1e9 if record.HasField("cost") else None,
        "cost_is_estimated": record.cost.is_estimated if record.HasField("cost") else None,
        "dropped": list(record.dropped),
        "failed_attempts": [_describe_attempt(attempt) for attempt in record.failed_attempts],
        "question_bytes": len(record.question),
    }


def _describe_attempt(attempt: Attempt) -> dict[str, object]:
    return {
        "provider": attempt.provider,
        "model": attempt.model,
        "why": attempt.why,
        "error_reason": Reason.of_number(attempt.reason).value if attempt.reason else None,
        "duration_ms": _milliseconds(attempt, "duration"),
    }


def _milliseconds(message: Message, name: str) -> float | None:
    if not _has(message, name):
        return None
    span: Duration = getattr(message, name)
    return round(span.ToNanoseconds() / 1e6, 3)


def _has(message: Message, name: str) -> bool:
    return bool(message.HasField(name))


def _describe_usage(usage: Usage) -> dict[str, int | None]:
    return {
        field.name: getattr(usage, field.name) if _has(usage, field.name) else None for field in Usage.DESCRIPTOR.fields
    }
