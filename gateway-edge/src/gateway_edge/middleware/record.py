"""What is kept: one audit record for every authenticated call, whatever its end, into the local spool."""

from asyncio import CancelledError
from typing import Protocol

from chassis.clock import Clock
from chassis.errors import Reason, RunestoneError
from gateway_edge.audit_record import describe_call
from gateway_edge.call import Call
from gateway_edge.middleware.base import Proceed


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
                self._spool.append(describe_call(call, self._clock.monotonic()).SerializeToString())
