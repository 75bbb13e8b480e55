"""Protobuf timestamps as the numbers that records are ordered by."""

from google.protobuf.timestamp_pb2 import Timestamp

from chassis.errors import Reason, RunestoneError

_LIMIT = 1 << 63  # 64 bits of nanoseconds reach from 1677 to 2262


def to_nanoseconds(timestamp: Timestamp, *, param: str) -> int:
    """Nanoseconds since the Unix epoch; 0 for an unset timestamp.

    Raises RunestoneError INVALID_REQUEST, naming `param`, for nanos outside of a second or a moment that 64 bits of
    nanoseconds do not reach.
    """
    moment = timestamp.seconds * 1_000_000_000 + timestamp.nanos
    if not 0 <= timestamp.nanos < 1_000_000_000 or not -_LIMIT <= moment < _LIMIT:
        raise RunestoneError(Reason.INVALID_REQUEST, f"{param} is no moment between 1677 and 2262", param=param)
    return moment
