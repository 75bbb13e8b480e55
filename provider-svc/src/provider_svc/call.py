"""One call as its caller knows it: an id, a tenant, how long it waits. What answers it is a flight, maybe shared with others."""

import asyncio
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
    """A caller's own part of a flight. `deadline` is a `Clock.monotonic` time, `following` how many subscriptions it has.

    `is_coalesced`: another call began the flight.
    """

    __slots__ = (
        "call_id",
        "deadline",
        "flight",
        "following",
        "is_coalesced",
        "is_paused",
        "tenant",
        "timer",
    )

    def __init__(self, call_id: str, tenant: str, deadline: float) -> None:
        self.call_id = call_id
        self.tenant = tenant
        self.deadline = deadline
        self.following = 0
        self.is_paused = False
        self.is_coalesced = False
        self.timer: asyncio.TimerHandle | None = None
        self.flight: Flight  # from `Flight.admit` on

    def stop_waiting(self) -> None:
        """Its deadline concerns nobody any more."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def __repr__(self) -> str:
        return f"Call({self.call_id}, {'paused, ' * self.is_paused}{self.following} subscriptions)"
