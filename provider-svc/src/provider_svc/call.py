"""One call as its caller knows it: an id, a tenant, how long it waits. What answers it is a flight, maybe shared with others."""

import asyncio
import math
from typing import TYPE_CHECKING, NamedTuple

from runestone.common.v1.dialect_pb2 import Dialect

if TYPE_CHECKING:
    from provider_svc.flight import Flight


class Question(NamedTuple):
    """What makes calls the same: the edge's key, whether the answer is a stream, and in which dialect it is."""

    key: bytes
    stream: bool
    dialect: Dialect.ValueType


class Call:
    """A caller's own part of a flight. `deadline` is a `Clock.monotonic` time, `following` how many subscriptions it has that are not
    only looking on.

    `resume_window` is for how many seconds it goes on while nobody follows, and is kept when it is over; `pause_window` for how many it may be
    paused at a stretch. `is_coalesced`: another call began the flight. `lacks_settler`: the subscriber that began it is gone without
    having read how it ended, and no other was told to settle it yet. `left_at` is when it went, `stopped_at` when somebody ended the call
    (`Clock.monotonic`).
    """

    __slots__ = (
        "call_id",
        "deadline",
        "flight",
        "following",
        "is_coalesced",
        "is_paused",
        "lacks_settler",
        "left_at",
        "pause_window",
        "resume_window",
        "stopped_at",
        "tenant",
        "timer",
    )

    def __init__(
        self,
        call_id: str,
        tenant: str,
        deadline: float,
        *,
        resume_window: float = 0.0,
        pause_window: float = math.inf,
    ) -> None:
        self.call_id = call_id
        self.tenant = tenant
        self.deadline = deadline
        self.resume_window = resume_window
        self.pause_window = pause_window
        self.following = 0
        self.is_paused = False
        self.is_coalesced = False
        self.lacks_settler = False
        self.left_at = self.stopped_at = -math.inf
        self.timer: asyncio.TimerHandle | None = None
        self.flight: Flight  # from `Flight.admit` on

    def stop_waiting(self) -> None:
        """Its deadline concerns nobody any more."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def __repr__(self) -> str:
        return f"Call({self.call_id}, {'paused, ' * self.is_paused}{self.following} subscriptions)"
