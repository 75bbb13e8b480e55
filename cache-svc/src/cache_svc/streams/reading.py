"""What callers send, checked: protobuf to keys, pieces and times. Raises INVALID_REQUEST with the member at fault."""

from collections.abc import Sequence
from itertools import pairwise

from google.protobuf.duration_pb2 import Duration

from cache_svc.streams.store import stream_key
from chassis.errors import Reason, RunestoneError
from runestone.stream.v1.stream_pb2 import AppendRequest, ReadRequest

MAX_NAME, MAX_HEAD, MAX_END = 256, 16 << 10, 64 << 10  # bytes
MAX_SEQ = (1 << 53) - 1  # what every store counts exactly
MAX_TTL = 7200.0  # seconds


def read_key(request: AppendRequest | ReadRequest) -> bytes:
    """What the tenant's stream is kept under."""
    return stream_key(_read_name(request.tenant, "tenant"), _read_name(request.stream_id, "stream_id"))


def read_piece(request: AppendRequest) -> AppendRequest:
    """Whole events with their borders, a head and an end that are not too long."""
    _check_size("head", request.head, MAX_HEAD)
    _check_size("end", request.end, MAX_END)
    if not _are_borders(request.ends, len(request.body)):
        raise _refusal("ends", "must rise up to the length of the body")
    if not 1 <= request.first_seq <= MAX_SEQ - len(request.ends):
        raise _refusal("first_seq", "must be 1 or more, and no more than can be counted")
    return request


def read_ttl(time: Duration) -> float:
    """Seconds, more than none."""
    seconds = time.ToNanoseconds() / 1e9
    if not 0 < seconds <= MAX_TTL:
        raise _refusal("ttl", f"is {seconds:g} s; it must be more than 0 and at most {MAX_TTL:g}")
    return seconds


def read_place(request: ReadRequest) -> int:
    """The last number that was seen; one that nothing has comes to what nothing follows."""
    return min(request.after_seq, MAX_SEQ)


def _are_borders(ends: Sequence[int], size: int) -> bool:
    return (ends[-1] if ends else 0) == size and all(earlier < later for earlier, later in pairwise((0, *ends)))


def _check_size(member: str, text: bytes, most: int) -> None:
    if len(text) > most:
        raise _refusal(member, f"has more than {most} bytes")


def _read_name(text: str, member: str) -> str:
    if not 0 < len(text.encode()) <= MAX_NAME:
        raise _refusal(member, f"must have 1 to {MAX_NAME} bytes")
    return text


def _refusal(member: str, message: str) -> RunestoneError:
    return RunestoneError(Reason.INVALID_REQUEST, f"{member} {message}", param=member)
