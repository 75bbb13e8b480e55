"""What a provider is to the rest of provider-svc: one method that makes one upstream call.

Everything around a call (deadline, events and their numbers, subscribers, pausing) is somebody else's; a provider turns
one request into chunks in the client's dialect and says what was used.
"""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from runestone.common.v1.usage_pb2 import Usage


@dataclass(slots=True)
class Meter:
    """What a call has used so far and how it stopped; a provider writes it as the answer passes, so that a call that
    ends early is known as far as it came. `usage` stays None until the provider said something."""

    usage: Usage | None = None
    finish_reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamCall:
    """One call to one target. `members` are the client's top-level JSON members as raw slices, without `model`'s say:
    `model` is the target's own name for the model. `deadline` is a `Clock.monotonic` time."""

    call_id: str
    model: str
    stream: bool
    members: Mapping[str, msgspec.Raw]
    deadline: float
    meter: Meter = field(default_factory=Meter)


@dataclass(frozen=True, slots=True)
class Begun:
    """The provider's answer has begun: its HTTP status and its own request id ("" where it sends none)."""

    upstream_status: int
    upstream_request_id: str = ""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes for the client: whole SSE events, or a whole document. `ends[n]` is where the n-th event ends in `body`."""

    body: bytes
    ends: tuple[int, ...]


class Provider(Protocol):
    """Calls the models of one configured provider."""

    def call(self, call: UpstreamCall) -> AsyncGenerator[Begun | Chunk]:
        """Yields one `Begun`, then chunks; returning means that the answer is whole.

        Raises RunestoneError with a PROVIDER_* reason for every way in which the provider fails; what was yielded before
        stays delivered. Closing the generator early closes the upstream socket before it returns. While the consumer
        does not ask for the next chunk, nothing is read from the socket (back-pressure).
        """

    async def close(self) -> None:
        """Closes idle connections."""
