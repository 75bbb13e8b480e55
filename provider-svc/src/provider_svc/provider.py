"""What a provider is to the rest of provider-svc: one method that makes one upstream call.

Everything around a call (deadline, events and their numbers, subscribers, pausing) is somebody else's; a provider turns
one request into chunks in the client's dialect and says what was used.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from chassis.billing.estimate import Passed
from provider_svc.dialects.weaving import Weaving
from runestone.common.v1.dialect_pb2 import DIALECT_OPENAI_CHAT, Dialect
from runestone.common.v1.usage_pb2 import Usage
from runestone.provider.v1.provider_pb2 import Resource


class Meter(msgspec.Struct):
    """What a call has used so far and how it stopped; a provider writes it as the answer passes, so that a call that
    ends early is known as far as it came. `usage` stays None until the provider said something. `passed` is what came of a document
    that is a stream upstream."""

    usage: Usage | None = None
    finish_reason: str = ""
    passed: Passed | None = None


class Kept(msgspec.Struct, frozen=True):
    """Something that the provider keeps under its own `id`, and what is to be done with it. `query` are the parameters beside, decoded,
    in the client's order."""

    action: Resource.Action.ValueType
    id: str
    query: Sequence[tuple[str, str]] = ()


class UpstreamCall(msgspec.Struct, frozen=True, kw_only=True):
    """One call to one target. `members` are the client's top-level JSON members as raw slices, without `model`'s say:
    `model` is the target's own name for the model. Of a body that is not JSON, `form` has the whole (its media type is
    `content_type`), and `members` are empty. `headers` are the client's for its maker's API. Where the call has to be translated,
    `is_strict` refuses what may change the answer and cannot be carried. With `kept` no model is asked, but for what the provider keeps:
    nothing is metered then. With a `weaving` a stream of a conversation is written into that, so that another call may go on where this
    one breaks off."""

    call_id: str
    model: str
    stream: bool
    members: Mapping[str, msgspec.Raw]
    dialect: Dialect.ValueType = DIALECT_OPENAI_CHAT
    form: bytes = b""
    content_type: str = ""
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    is_strict: bool = True
    kept: Kept | None = None
    weaving: Weaving | None = None
    meter: Meter = msgspec.field(default_factory=Meter)


class Begun(msgspec.Struct, frozen=True):
    """The provider's answer has begun: its HTTP status and its own request id ("" where it sends none). `content_type` where it is
    neither JSON nor events; `dropped` are the request's members that were left out in translation, which `is_translated` says of the
    answer."""

    upstream_status: int
    upstream_request_id: str = ""
    content_type: str = ""
    dropped: tuple[str, ...] = ()
    is_translated: bool = False


class Chunk(msgspec.Struct, frozen=True, gc=False):
    """Whole SSE events, or a whole document. `ends[n]` is where the n-th event ends in `body`, the last at its end."""

    body: bytes
    ends: tuple[int, ...]

    def split(self) -> Sequence[bytes]:
        """Each event's own bytes, for where events must be read and not only relayed."""
        if len(self.ends) == 1:
            return (self.body,)
        return [self.body[start:end] for start, end in zip((0, *self.ends), self.ends, strict=False)]


class Sink(Protocol):
    """Where an answer goes. It never waits, and takes one chunk more than it has room for: who brings more without asking
    makes it grow."""

    def accept(self, begun: Begun) -> None:
        """The answer has begun."""

    def add(self, chunk: Chunk) -> None:
        """The next events have come."""

    def has_room(self) -> bool:
        """Whether reading may go on."""

    async def wait_for_room(self) -> None:
        """Returns when reading may go on; the call's deadline bounds that."""


class Gathered:
    """A sink in memory: keeps the whole answer, and always has room."""

    def __init__(self) -> None:
        self.steps: list[Begun | Chunk] = []

    def accept(self, begun: Begun) -> None:
        """Keeps it."""
        self.steps.append(begun)

    def add(self, chunk: Chunk) -> None:
        """Keeps it."""
        self.steps.append(chunk)

    def has_room(self) -> bool:
        """Yes."""
        return True

    async def wait_for_room(self) -> None:
        """Returns at once."""


class Provider(Protocol):
    """Calls the models of one configured provider, in the dialects that it speaks itself: it is asked in no other."""

    @property
    def dialects(self) -> frozenset[Dialect.ValueType]:
        """The dialects that it speaks."""

    async def call(self, call: UpstreamCall, sink: Sink) -> None:
        """Brings one `Begun`, then chunks; returning means that the answer is whole.

        Raises RunestoneError with a PROVIDER_* reason for every way in which the provider fails; what was brought before
        stays delivered. Cancelling closes the upstream socket before it passes on. While the sink has no room, nothing is
        read from the socket (back-pressure).
        """

    async def close(self) -> None:
        """Closes idle connections."""
