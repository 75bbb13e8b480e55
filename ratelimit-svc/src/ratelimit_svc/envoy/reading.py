"""What Envoy sends, checked: protobuf to descriptors. Raises INVALID_REQUEST with the member at fault."""

from chassis.errors import Reason, RunestoneError
from ratelimit_svc.envoy.binding import Descriptor
from ratelimit_svc.envoy.rules import Rule
from runestone.envoy.v3.rls_pb2 import RateLimitDescriptor, RateLimitRequest, RateLimitUnit

MAX_DESCRIPTORS = 32
MAX_ENTRIES = 32


def read_descriptors(request: RateLimitRequest) -> list[Descriptor]:
    """Raises for a request without a domain or descriptors, with too many, and for hits that are to be given back."""
    if not request.domain:
        raise _senseless("domain", "must not be empty")
    if not 1 <= len(request.descriptors) <= MAX_DESCRIPTORS:
        raise _senseless("descriptors", f"must be 1 to {MAX_DESCRIPTORS}, not {len(request.descriptors)}")
    hits = request.hits_addend or 1
    return [_read(message, hits, f"descriptors[{index}]") for index, message in enumerate(request.descriptors)]


def _read(message: RateLimitDescriptor, hits: int, path: str) -> Descriptor:
    if not 1 <= len(message.entries) <= MAX_ENTRIES:
        raise _senseless(f"{path}.entries", f"must be 1 to {MAX_ENTRIES}, not {len(message.entries)}")
    if message.is_negative_hits:
        why = "hits cannot be given back: nobody knows which they were, and a burst must not come back early"
        raise _senseless(f"{path}.is_negative_hits", why)
    return Descriptor(
        entries=tuple((entry.key, entry.value) for entry in message.entries),
        hits=message.hits_addend.value if message.HasField("hits_addend") else hits,
        override=_read_override(message.limit, path) if message.HasField("limit") else None,
    )


def _read_override(limit: RateLimitDescriptor.RateLimitOverride, path: str) -> Rule:
    if limit.unit not in RateLimitUnit.values() or limit.unit == RateLimitUnit.UNKNOWN:
        raise _senseless(f"{path}.limit.unit", f"{limit.unit} is no unit of time")
    unit = RateLimitUnit.Name(limit.unit).lower()
    return Rule(requests=limit.requests_per_unit, unit=unit, is_override=True)


def _senseless(param: str, message: str) -> RunestoneError:
    return RunestoneError(Reason.INVALID_REQUEST, f"{param} {message}", param=param)
