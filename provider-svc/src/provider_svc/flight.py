"""One upstream call and those who follow it.

A flight keeps what has come (accepted, a ring of numbered events, the end) and says when reading may go on; it makes no
I/O itself. Its methods are synchronous, so that no subscriber ever sees it between two states.
"""

import asyncio
from typing import Self

from chassis.errors import RunestoneError
from provider_svc import events
from provider_svc.provider import Begun, Chunk
from provider_svc.ring import Ring
from provider_svc.settings import ProviderSettings
from runestone.common.v1.usage_pb2 import Usage
from runestone.provider.v1.provider_pb2 import CallEvent


class Flight:
    """The state of one call. `provider` and `model` name its target."""

    def __init__(self, call_id: str, tenant: str, provider: str, model: str, bounds: ProviderSettings) -> None:
        self.call_id = call_id
        self.tenant = tenant
        self.provider = provider
        self.model = model
        self.ring = Ring(bounds.ring)
        self.accepted: CallEvent | None = None
        self.end: CallEvent | None = None
        self.stopped_by: RunestoneError | None = None
        self.is_paused = False
        self._bounds = bounds
        self._subscriptions: set[Subscription] = set()
        self._room = asyncio.Event()
        self._room.set()

    @property
    def is_over(self) -> bool:
        """Whether the end has been said."""
        return self.end is not None

    @property
    def is_followed(self) -> bool:
        """Whether anybody subscribes."""
        return bool(self._subscriptions)

    def subscribe(self, after_seq: int = 0) -> "Subscription":
        """Follows the call from behind `after_seq`. Raises EVENTS_LOST or INVALID_REQUEST where there is no such place."""
        self.ring.check_reaches(after_seq)
        subscription = Subscription(self, after_seq, self._bounds.message)
        self._subscriptions.add(subscription)
        self.weigh()
        return subscription

    def unsubscribe(self, subscription: "Subscription") -> None:
        """Ends a subscription; doing it twice is harmless."""
        self._subscriptions.discard(subscription)
        self.weigh()

    def accept(self, begun: Begun) -> None:
        """The provider's answer has begun."""
        self.accepted = events.accepted(self.provider, self.model, begun)
        self._wake()

    def add(self, chunk: Chunk) -> None:
        """The next events have come."""
        self.ring.append(chunk, self._slowest)
        self.weigh()
        self._wake()

    def conclude(self, end: CallEvent) -> None:
        """Says the end; only the first one counts."""
        if self.end is None:
            self.end = end
            self._wake()

    def fail(self, error: RunestoneError, usage: Usage | None = None) -> None:
        """Concludes with a failure."""
        self.conclude(events.failed(error, self.provider, self.model, last_seq=self.ring.last_seq, usage=usage))

    def pause(self, paused: bool) -> None:
        """Stops or resumes reading; the call's deadline goes on."""
        self.is_paused = paused
        self.weigh()

    async def wait_for_room(self) -> None:
        """Returns when reading may go on: not paused, and no subscriber more than the window behind."""
        await self._room.wait()

    def weigh(self) -> None:
        """Opens or shuts the way of the next chunk, as readers stand now."""
        slowest = self._slowest
        if self.is_paused or (slowest is not None and self.ring.written - slowest > self._bounds.window):
            self._room.clear()
        else:
            self._room.set()

    @property
    def _slowest(self) -> int | None:
        """How many bytes the slowest subscriber has read; None without subscribers."""
        return min((subscription.read for subscription in self._subscriptions), default=None)

    def _wake(self) -> None:
        for subscription in self._subscriptions:
            subscription.wake.set()

    def __repr__(self) -> str:
        state = "over" if self.is_over else "paused" if self.is_paused else "running"
        return f"Flight({self.call_id}, {state}, {len(self._subscriptions)} subscribers, {self.ring!r})"


class Subscription:
    """One subscriber's way through a flight: an async iterator of lists of events that were ready together.

    `read` counts the bytes it has taken. It waits as long as the flight runs; the flight's deadline bounds that.
    """

    def __init__(self, flight: Flight, after_seq: int, most: int) -> None:
        self.wake = asyncio.Event()
        self.read = flight.ring.offset_behind(after_seq)
        self._flight = flight
        self._seq = after_seq
        self._most = most
        self._saw_accepted = False
        self._saw_end = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[CallEvent]:
        """The events that are ready; ends behind `completed` or `failed`."""
        while not self._saw_end:
            self.wake.clear()
            if ready := self._take():
                return ready
            await self.wake.wait()
        raise StopAsyncIteration

    def _take(self) -> list[CallEvent]:
        flight, ready = self._flight, []
        if flight.accepted is not None and not self._saw_accepted:
            self._saw_accepted = True
            ready.append(flight.accepted)
        if (news := flight.ring.read(self._seq, self._most)) is not None:
            self._seq = news.last_seq
            self.read += len(news.body)
            flight.weigh()
            ready.append(events.data(news))
        if flight.end is not None and self._seq == flight.ring.last_seq:
            self._saw_end = True
            ready.append(flight.end)
        return ready
