"""One upstream call and those who follow it.

A flight keeps what has come (accepted, a ring of numbered events, the end) and says when reading may go on; it makes no
I/O itself. Its methods are synchronous, so that no subscriber ever sees it between two states.
"""

import asyncio
from collections.abc import Callable

from chassis.config.schema import Target
from chassis.errors import RunestoneError
from provider_svc import events
from provider_svc.provider import Begun, Chunk
from provider_svc.ring import Ring
from provider_svc.settings import ProviderSettings
from provider_svc.subscription import Response, Subscription
from runestone.common.v1.usage_pb2 import Usage
from runestone.provider.v1.provider_pb2 import AttachResponse, CallEvent, CallResponse


class Flight:
    """The state of one call. `provider` and `model` are its target's; `on_deserted` is told when the last subscriber has
    left."""

    def __init__(
        self,
        call_id: str,
        tenant: str,
        target: Target,
        bounds: ProviderSettings,
        on_deserted: "Callable[[Flight], None]",
    ) -> None:
        self.call_id = call_id
        self.tenant = tenant
        self.provider = target.provider
        self.model = target.model
        self.ring = Ring(bounds.ring)
        self.accepted: CallEvent | None = None
        self.end: CallEvent | None = None
        self.stopped_by: RunestoneError | None = None
        self.is_paused = False
        self._bounds = bounds
        self._on_deserted = on_deserted
        self._subscriptions: list[Subscription[CallResponse] | Subscription[AttachResponse]] = []
        self._waiter: asyncio.Future[None] | None = None

    @property
    def is_over(self) -> bool:
        """Whether the end has been said."""
        return self.end is not None

    @property
    def is_followed(self) -> bool:
        """Whether anybody subscribes."""
        return bool(self._subscriptions)

    def subscribe(self, form: type[Response], after_seq: int = 0) -> Subscription[Response]:
        """Follows the call from behind `after_seq`. Raises EVENTS_LOST or INVALID_REQUEST where there is no such place."""
        self.ring.check_reaches(after_seq)
        subscription = Subscription(self, form, after_seq, self._bounds.message)
        self._subscriptions.append(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription[CallResponse] | Subscription[AttachResponse]) -> None:
        """Ends a subscription; doing it twice is harmless."""
        if subscription not in self._subscriptions:
            return
        self._subscriptions.remove(subscription)
        self.weigh()
        if not self._subscriptions:
            self._on_deserted(self)

    def accept(self, begun: Begun) -> None:
        """The provider's answer has begun."""
        self.accepted = events.accepted(self.provider, self.model, begun)
        self._wake()

    def add(self, chunk: Chunk) -> None:
        """The next events have come."""
        self.ring.append(chunk, self._find_slowest)
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

    def has_room(self) -> bool:
        """Whether reading may go on: not paused, and no subscriber more than the window behind."""
        slowest = self._find_slowest()
        return not self.is_paused and (slowest is None or self.ring.written - slowest <= self._bounds.window)

    async def wait_for_room(self) -> None:
        """Returns when there is room. One task at a time may wait."""
        while not self.has_room():
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter

    def weigh(self) -> None:
        """Lets the next chunk come where readers have made room for it."""
        if self._waiter is not None and not self._waiter.done() and self.has_room():
            self._waiter.set_result(None)

    def _find_slowest(self) -> int | None:
        """How many bytes the slowest subscriber has read; None without subscribers."""
        slowest = None
        for subscription in self._subscriptions:
            if slowest is None or subscription.read < slowest:
                slowest = subscription.read
        return slowest

    def _wake(self) -> None:
        for subscription in self._subscriptions:
            subscription.wake()

    def __repr__(self) -> str:
        state = "over" if self.is_over else "paused" if self.is_paused else "running"
        return f"Flight({self.call_id}, {state}, {len(self._subscriptions)} subscribers, {self.ring!r})"
