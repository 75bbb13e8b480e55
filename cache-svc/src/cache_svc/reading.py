"""What callers send, checked: protobuf to entries, selections, marks and times. Raises INVALID_REQUEST with the member at fault."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from google.protobuf.duration_pb2 import Duration

from cache_svc.changes import Mark
from cache_svc.store import Labels, Selection
from cache_svc.uses import Use
from chassis.errors import Reason, RunestoneError
from runestone.cache.v1 import cache_pb2 as messages

FINGERPRINT_SIZE = 32
MAX_NAME, MAX_TAG, MAX_EPOCH = 512, 64, 64  # bytes
MAX_TAGS = 16
MAX_STORES = 256
MAX_NOTED_NANO_USD = 10**13  # at a time: ten thousand dollars
MAX_NOTED = 10**12  # at a time: more than any fleet says in a second, and no sum of them leaves 64 bits
YEAR = 365 * 86_400.0


@dataclass(frozen=True, slots=True)
class Lifetime:
    """Seconds that an answer is fresh, and that it is kept as stale behind them."""

    fresh: float
    stale: float

    @property
    def kept(self) -> float:
        """Seconds in all; what is never fresh is not kept."""
        return self.fresh + self.stale if self.fresh else 0.0


def read_fingerprint(fingerprint: bytes) -> bytes:
    """A whole one."""
    if len(fingerprint) != FINGERPRINT_SIZE:
        raise _refusal("fingerprint", f"has {len(fingerprint)} bytes instead of the {FINGERPRINT_SIZE} of a SHA-256")
    return fingerprint


def read_stores(request: messages.StoreAllRequest) -> Sequence[messages.StoreRequest]:
    """At least one, and no more than are kept in one go."""
    if not 1 <= len(request.stores) <= MAX_STORES:
        raise _refusal("stores", f"has {len(request.stores)} members; 1 to {MAX_STORES} may be stored at once")
    return request.stores


def read_answer(answer: messages.Answer) -> messages.Answer:
    """One that can be given: a body or a refusal, and borders that are its own."""
    if not answer.body and not answer.HasField("error"):
        raise _refusal("answer.body", "is empty: there is nothing to keep")
    if answer.body and answer.HasField("error"):
        raise _refusal("answer.error", "stands beside a body: one of them is the answer")
    if answer.ends and not _are_borders(answer.ends, len(answer.body)):
        raise _refusal("answer.ends", "must rise up to the length of the body")
    if answer.offsets and len(answer.offsets) != len(answer.ends):
        raise _refusal("answer.offsets", f"has {len(answer.offsets)} members beside {len(answer.ends)} ends")
    return answer


def read_labels(labels: messages.Labels) -> Labels:
    """Labels that take bounded memory, each tag once."""
    if len(labels.tags) > MAX_TAGS:
        raise _refusal("answer.labels.tags", f"has {len(labels.tags)} members; {MAX_TAGS} is the most")
    if not all(labels.tags):
        raise _refusal("answer.labels.tags", "has an empty member")
    return Labels(
        tenant=_read_text(labels.tenant, MAX_NAME, "answer.labels.tenant"),
        model=_read_text(labels.model, MAX_NAME, "answer.labels.model"),
        tags=tuple(dict.fromkeys(_read_text(tag, MAX_TAG, "answer.labels.tags") for tag in labels.tags)),
    )


def read_lifetime(request: messages.StoreRequest, default_ttl: float) -> Lifetime:
    """What was asked for, a year each at most."""
    return Lifetime(
        _read_time(request.ttl, "ttl") or min(default_ttl, YEAR), _read_time(request.stale_for, "stale_for")
    )


def read_selection(selection: messages.Selection) -> Selection:
    """One that says something."""
    if len(selection.key_prefix) > FINGERPRINT_SIZE:
        raise _refusal("selection.key_prefix", f"is longer than the {FINGERPRINT_SIZE} bytes of a fingerprint")
    read = Selection(
        key_prefix=selection.key_prefix,
        tenant=_read_text(selection.tenant, MAX_NAME, "selection.tenant"),
        model=_read_text(selection.model, MAX_NAME, "selection.model"),
        tag=_read_text(selection.tag, MAX_TAG, "selection.tag"),
        everything=selection.everything,
    )
    if not read.says_something:
        raise _refusal("selection", "is empty; set a member, `everything` for all answers")
    return read


def read_tenant(tenant: str) -> str:
    """One that is named."""
    if not tenant:
        raise _refusal("tenant", "is empty")
    return _read_text(tenant, MAX_NAME, "tenant")


def read_place(request: messages.WatchRequest) -> Mark | None:
    """Where the caller was, if anywhere."""
    if not request.HasField("after"):
        return None
    return Mark(_read_text(request.after.epoch, MAX_EPOCH, "after.epoch"), request.after.version)


def read_use(request: messages.NoteUseRequest) -> Use:
    """Numbers that somebody may have counted."""
    counts = {field.name: getattr(request, field.name) for field in request.DESCRIPTOR.fields}
    for name, count in counts.items():
        most = MAX_NOTED_NANO_USD if name == "saved_nano_usd" else MAX_NOTED
        if count > most:
            raise _refusal(name, f"is more than {most}, which nobody counts between two notes")
    return Use(**counts)


def _are_borders(ends: Sequence[int], size: int) -> bool:
    return ends[-1] == size and all(earlier < later for earlier, later in pairwise(ends))


def _read_time(time: Duration, member: str) -> float:
    seconds = time.ToNanoseconds() / 1e9
    if seconds < 0:
        raise _refusal(member, "is negative")
    return min(seconds, YEAR)


def _read_text(text: str, most: int, member: str) -> str:
    if len(text.encode()) > most:
        raise _refusal(member, f"has more than {most} bytes")
    return text


def _refusal(member: str, message: str) -> RunestoneError:
    return RunestoneError(Reason.INVALID_REQUEST, f"{member} {message}", param=member)
