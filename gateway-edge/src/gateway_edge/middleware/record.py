"""What is kept: one audit record for every authenticated call, whatever its end, into the local spool."""

from asyncio import CancelledError
from typing import Protocol

from chassis.clock import Clock
from chassis.errors import Reason, RunestoneError
from gateway_edge.call import Call
from gateway_edge.door.errors import http_status
from gateway_edge.middleware.base import Proceed
from gateway_edge.question.capture import question_to_keep
from runestone.audit.v1.audit_pb2 import AuditRecord
from runestone.common.v1.error_pb2 import ERROR_REASON_UNSPECIFIED

MAX_CLIENT_ID = 256
MAX_ENDPOINT = 256


class RecordSpool(Protocol):
    """What this middleware needs of the spool."""

    @property
    def is_full(self) -> bool:
        """Whether no further record is sure of its place."""

    def append(self, record: bytes) -> None:
        """Keeps a serialized record; never waits for the network."""


class Record:
    """Refuses new calls while records could not be kept, and keeps one of every call whose caller is known."""

    name = "record"

    def __init__(self, spool: RecordSpool, clock: Clock) -> None:
        self._spool = spool
        self._clock = clock

    async def __call__(self, call: Call, proceed: Proceed) -> None:
        """Records after everything else."""
        if self._spool.is_full:
            message = "audit records cannot be kept right now; no call is answered without one"
            raise RunestoneError(Reason.AUDIT_SPOOL_FULL, message, retry_after=5.0)
        try:
            await proceed(call)
        except RunestoneError as error:
            call.outcome.error = error
            raise
        except (CancelledError, ConnectionError):
            call.outcome.error = call.ending or RunestoneError(Reason.CANCELLED, "the client went away")
            raise
        except Exception:
            call.outcome.error = RunestoneError(Reason.INTERNAL, "internal error")
            raise
        finally:
            if call.principal is not None:
                self._spool.append(self._describe(call).SerializeToString())

    def _describe(self, call: Call) -> AuditRecord:
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
            finish_reason=outcome.finish_reason,
            bytes_sent=call.reply.bytes_sent,
            traceparent=call.trace.traceparent,
            snapshot_version=call.snapshot_version,
            client_address=_printable(arrival.client_address),
            replay_of=outcome.replay_of,
            unbilled=not outcome.is_billed,
        )
        if call.question is not None:
            record.model, record.stream = call.question.chat.model, call.question.is_stream
            if call.settings.audit.capture == "questions":
                record.question = question_to_keep(call.received, arrival.headers.get("cache-control", ""))
        record.started_at.FromMicroseconds(int(arrival.started_at * 1e6))
        record.duration.FromMicroseconds(int((self._clock.monotonic() - arrival.received_at) * 1e6))
        if call.reply.first_byte_at is not None:
            record.time_to_first_byte.FromMicroseconds(int((call.reply.first_byte_at - arrival.received_at) * 1e6))
        return record


def _printable(text: str) -> str:
    """What a client sent, as text that can be kept: bytes that are no UTF-8 become question marks."""
    return text.encode("utf-8", "replace").decode()
