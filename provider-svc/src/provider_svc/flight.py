"""One upstream call and those who follow it.

A flight keeps what has come (accepted, a ring of numbered events, the end) and says when reading may go on; it makes no
I/O itself. Its methods are synchronous, so that no subscriber ever sees it between two states.
"""

import asyncio
import math
from typing import Protocol

from chassis.config.models import Target
from chassis.context import TraceContext
from chassis.errors import RunestoneError
from provider_svc import events
from provider_svc.audience import Audience, Follower
from provider_svc.call import Call, Question
from provider_svc.pricing.bill import NOTHING, Bill, Owed
from provider_svc.provider import Begun, Chunk
from provider_svc.ring import Ring
from provider_svc.settings import ProviderSettings
from provider_svc.subscription import Response, Subscription
from runestone.common.v1.usage_pb2 import Usage
from runestone.provider.v1.provider_pb2 import CallEvent


class Owner(Protocol):
    """Who begins and ends flights."""

    def note_left(self, call: Call) -> None:
        """The last subscription of `call` has left its flight."""

    def try_again(self, flight: "Flight", error: RunestoneError) -> None:
        """`flight` is about to fail with `error`: takes those along for whom another one is begun."""


class Flight:
    """The state of one upstream call, the `attempt`-th for those whom it answers. `provider` and `model` are its target's.

    `question` is set where calls may share it. `ended` is a `Clock.monotonic` time, `trace` its span's, where there is one. `bill` says
    what it comes to, `owed` what it came to when it is over.
    """

    __slots__ = (
        "_bounds",
        "_coalesced",
        "_find_pace",
        "_owner",
        "_waiter",
        "accepted",
        "attempt",
        "audience",
        "bill",
        "end",
        "ended",
        "model",
        "owed",
        "provider",
        "question",
        "ring",
        "stopped_by",
        "trace",
    )

    def __init__(
        self,
        target: Target,
        bounds: ProviderSettings,
        owner: Owner,
        *,
        question: Question | None = None,
        attempt: int = 1,
        bill: Bill | None = None,
    ) -> None:
        self.provider = target.provider
        self.model = target.model
        self.question = question
        self.attempt = attempt
        self.bill = bill
        self.owed = NOTHING
        self.ring = Ring(bounds.ring)
        self.audience = Audience()
        self.accepted: CallEvent | None = None
        self.end: CallEvent | None = None
        self.ended = math.inf
        self.stopped_by: RunestoneError | None = None
        self.trace: TraceContext | None = None
        self._bounds = bounds
        self._owner = owner
        self._coalesced: CallEvent | None = None
        self._waiter: asyncio.Future[None] | None = None
        # Of a call's own subscribers the slowest sets the pace; where calls share, the fastest does, so that nobody holds
        # strangers up.
        self._find_pace = self.audience.find_slowest if question is None else self.audience.find_fastest

    @property
    def is_over(self) -> bool:
        """Whether the end has been said."""
        return self.end is not None

    @property
    def is_whole(self) -> bool:
        """Whether the whole answer is there."""
        return self.end is not None and self.end.HasField("completed")

    @property
    def is_followed(self) -> bool:
        """Whether anybody subscribes."""
        return bool(self.audience.followers)

    def admit(self, call: Call) -> None:
        """The flight answers `call`."""
        call.flight = self
        self.audience.admit(call)

    def dismiss(self, call: Call) -> None:
        """It no longer does."""
        self.audience.dismiss(call)
        self.weigh()

    def subscribe(self, call: Call, form: type[Response], after_seq: int = 0) -> Subscription[Response]:
        """Follows from behind `after_seq`, for `call`. Raises EVENTS_LOST or INVALID_REQUEST where there is no such place."""
        self.ring.check_reaches(after_seq)
        subscription = Subscription(self, call, form, after_seq, self._bounds.message)
        self.audience.seat(subscription)
        return subscription

    def unsubscribe(self, follower: Follower) -> None:
        """Ends a subscription; doing it twice is harmless."""
        if not self.audience.unseat(follower):
            return
        self.weigh()
        if not follower.call.following:
            self._owner.note_left(follower.call)

    def take_along(self, calls: list[Call], other: "Flight") -> None:
        """Takes calls over from `other`, of which they have seen nothing."""
        for call in calls:
            call.flight = self
            call.may_try_again = False
        for follower in self.audience.take_over(other.audience, calls):
            follower.change_to(self)

    def part(self, call: Call, error: RunestoneError) -> None:
        """Ends what follows for `call` with `error`; for the others the flight goes on."""
        for follower in self.audience.list_followers(call):
            follower.part(error)

    def accept(self, begun: Begun) -> None:
        """The provider's answer has begun."""
        rates = self.bill.rates if self.bill is not None and self.bill.is_stream else None
        self.accepted = events.accepted(self.provider, self.model, begun, attempt=self.attempt, rates=rates)
        self.audience.wake()

    def accepted_for(self, call: Call) -> CallEvent | None:
        """`accepted`, when it may be told to `call`: to one that may be taken along, not before the first event."""
        if self.accepted is None or not call.is_coalesced:
            return self.accepted
        if call.may_try_again and not self.ring.last_seq and not self.is_over:
            return None
        if self._coalesced is None:
            self._coalesced = events.coalesced(self.accepted)
        return self._coalesced

    def end_for(self, call: Call) -> CallEvent:
        """The end as it is told to `call`. Who began the flight has its answer kept; when he has left before the end, the first of those
        who remain does."""
        assert self.end is not None
        if self.is_whole and call.is_coalesced and self.audience.first is call:
            return events.for_keeper(self.end)
        return self.end

    def add(self, chunk: Chunk) -> None:
        """The next events have come."""
        self.ring.append(chunk, self._find_pace)
        self.audience.wake()

    def conclude(self, end: CallEvent) -> None:
        """Says the end; only the first one counts."""
        if self.end is None:
            self.end = end
            self.audience.wake()

    def fail(self, error: RunestoneError) -> None:
        """Concludes with a failure, for those who are not taken along."""
        if self.end is None:
            self._owner.try_again(self, error)
            self.owed = self.estimate()
            self.conclude(self._failure(error, self.ring.last_seq, self.owed))

    def failure(self, error: RunestoneError, last_seq: int) -> CallEvent:
        """The end, for one subscriber, of an answer that goes on for others behind `last_seq`."""
        return self._failure(error, last_seq, self.estimate())

    def estimate(self) -> Owed:
        """What it has come to so far: nothing before its answer has begun."""
        return (
            self.bill.estimate(self.ring.measure()) if self.bill is not None and self.accepted is not None else NOTHING
        )

    @property
    def news(self) -> Usage | None:
        """What the provider has counted on the way."""
        return self.bill.news if self.bill is not None else None

    def _failure(self, error: RunestoneError, last_seq: int, owed: Owed) -> CallEvent:
        return events.failed(error, self.provider, self.model, attempt=self.attempt, last_seq=last_seq, owed=owed)

    def pause(self, call: Call, *, paused: bool) -> None:
        """Stops or resumes what `call` gets. When all are paused nothing is read; their deadlines go on."""
        self.audience.pause(call, paused=paused)
        self.weigh()
        self.audience.wake()

    def has_room(self) -> bool:
        """Whether reading may go on: not paused, and whoever sets the pace not more than the window behind."""
        if self.audience.paused and self.audience.is_paused:
            return False
        pace = self._find_pace()
        return pace is None or self.ring.written - pace <= self._bounds.window

    async def wait_for_room(self) -> None:
        """Returns when there is room. One task at a time may wait."""
        while not self.has_room():
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter

    def note_read(self, follower: Follower) -> None:
        """A subscriber has read on. Where calls share, one that is near enough is all that it takes: thousands are not asked."""
        if self._waiter is None or self._waiter.done():
            return
        if self.question is None or self.ring.written - follower.read <= self._bounds.window:
            self.weigh()

    def weigh(self) -> None:
        """Lets the next chunk come where readers have made room for it."""
        if self._waiter is not None and not self._waiter.done() and self.has_room():
            self._waiter.set_result(None)

    def __repr__(self) -> str:
        state = "over" if self.is_over else "running"
        return f"Flight({state}, {self.audience!r}, {self.ring!r})"
