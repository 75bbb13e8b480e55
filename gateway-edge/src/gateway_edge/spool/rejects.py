"""Records that audit-svc refuses for good: kept for people, because nothing is lost silently."""

import base64
import os
from pathlib import Path

import orjson

from gateway_edge.spool.segment import write_whole


class RejectedLog:
    """`rejected.log`, one JSON object a line: `rejected_at` (seconds since the Unix epoch), `reason`, and `record`, the
    serialized AuditRecord in base64. All workers append to it; only people remove it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def keep(self, record: bytes, reason: str, rejected_at: float) -> None:
        """Appends one record. Raises OSError when the disk does not take it."""
        entry = {"rejected_at": rejected_at, "reason": reason, "record": base64.b64encode(record).decode()}
        line = b"\n" + orjson.dumps(entry) + b"\n"  # a line of its own, also behind one that a full disk cut
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            write_whole(descriptor, line)
        finally:
            os.close(descriptor)
