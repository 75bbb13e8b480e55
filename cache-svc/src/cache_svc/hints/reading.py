"""What callers send, checked: protobuf to topics and hints. Raises INVALID_REQUEST with the member at fault."""

from cache_svc.hints.store import Hint
from chassis.errors import Reason, RunestoneError
from runestone.hint.v1.hint_pb2 import TellRequest, WatchRequest

MAX_TOPIC, MAX_KEY, MAX_SENDER = 64, 512, 64  # bytes
MAX_TTL = 300.0  # seconds


def read_topic(request: TellRequest | WatchRequest) -> str:
    """What it is about."""
    _check_size("topic", request.topic.encode(), MAX_TOPIC)
    return request.topic


def read_hint(request: TellRequest) -> Hint:
    """What is told."""
    _check_size("key", request.key, MAX_KEY)
    _check_size("sender", request.sender.encode(), MAX_SENDER)
    ttl = request.ttl.ToNanoseconds() / 1e9
    if not 0 < ttl <= MAX_TTL:
        raise _refusal("ttl", f"is {ttl:g} s; it must be more than 0 and at most {MAX_TTL:g}")
    return Hint(request.key, request.sender, ttl)


def _check_size(member: str, text: bytes, most: int) -> None:
    if not 0 < len(text) <= most:
        raise _refusal(member, f"must have 1 to {most} bytes")


def _refusal(member: str, message: str) -> RunestoneError:
    return RunestoneError(Reason.INVALID_REQUEST, f"{member} {message}", param=member)
