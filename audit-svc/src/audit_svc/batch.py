"""A batch of records as they came, checked and made ready to be kept: all of it or none."""

from collections.abc import Sequence

from audit_svc.moment import to_nanoseconds
from audit_svc.store import Entry
from chassis.errors import Reason, RunestoneError
from runestone.audit.v1.audit_pb2 import AuditRecord

MAX_RECORDS = 1_000
MAX_ID = 512  # bytes of a request_id: a key of every index, and part of page tokens


def read_batch(records: Sequence[AuditRecord]) -> list[Entry]:
    """The entries of one Append.

    Raises RunestoneError OVERLOADED above 1,000 records, and INVALID_REQUEST for a record that could not be found
    again: one without request_id or with one above 512 bytes, or with a start that is no moment in time.
    """
    if len(records) > MAX_RECORDS:
        raise RunestoneError(Reason.OVERLOADED, f"{len(records)} records in a batch; send at most {MAX_RECORDS}")
    return [_read_record(record, f"records[{index}]") for index, record in enumerate(records)]


def _read_record(record: AuditRecord, path: str) -> Entry:
    size = len(record.request_id.encode())
    if not 0 < size <= MAX_ID:
        fault = f"a request_id of {size} bytes, at most {MAX_ID} are kept" if size else "no request_id"
        message = f"{path} has {fault}; nothing of the batch was kept"
        raise RunestoneError(Reason.INVALID_REQUEST, message, param=f"{path}.request_id")
    return Entry(
        request_id=record.request_id,
        started_at=to_nanoseconds(record.started_at, param=f"{path}.started_at"),
        tenant=record.tenant,
        model=record.model,
        status=record.status,
        record=record.SerializeToString(),
    )
