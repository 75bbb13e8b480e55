"""One call's answer and those who follow it.

A flight keeps what has come (accepted, a ring of numbered events, the end) and says when reading may go on; it makes no
I/O itself. Its methods are synchronous, so that no subscriber ever sees it between two states.
"""

import asyncio
import math
from collections.abc import Sequence
from typing import Protocol

from chassis.billing.estimate import Passed
from chassis.context import TraceContext
from chassis.errors import RunestoneError
from provider_svc import events
from provider_svc.attempts.attempt import Attempt
from provider_svc.audience import Audience, Follower
from provider_svc.call import Call, Question
from provider_svc.pricing.bill import NOTHING, Owed, add_owed
from provider_svc.provider import Chunk
from provider_svc.ring import Ring
from provider_svc.settings import ProviderSettings
from provider_svc.subscription import Response, Role, Subscription
from runestone.common.v1.usage_pb2 import Usage
from runestone.provider.v1.provider_pb2 import CallEvent


class Owner(Protocol):
    """Who begins and ends flights."""

    def note_left(self, call: Call) -> None:
        """The last subscription of `call` has left its flight."""

    def note_unsettled(self, call: Call) -> None:
        """The subscriber that began `call` goes without having read how it ended."""


class Flight:
    """The state of one answer. `attempts` are the upstream calls that were made for it so far, by whoever makes them.

    `answering` is the one that was accepted last, `broken` those that brought a part before it. `question` is set where calls may share it.
    `ended` is a `Clock.monotonic` time, `trace` the span's of the upstream call, where there is one.
    """

    __slots__ = (
        "_accepted_for_others",
        "_bounds",
        "_find_pace",
        "_owner",
        "_waiter",
        "accepted",
        "answering",
        "attempts",
        "audience",
        "broken",
        "end",
        "ended",
        "question",
        "ring",
        "stopped_by",
        "trace",
    )

    def __init__(
        self, attempts: Sequence[Attempt], bounds: ProviderSettings, owner: Owner, *, question: Question | None = None
    ) -> None:
        self.attempts = attempts
        self.question = question
        self.ring = Ring(bounds.ring)
        self.audience = Audience()
        self.accepted: CallEvent | None = None
        self.end: CallEvent | None = None
        self.ended = math.inf
        self.stopped_by: RunestoneError | None = None
        self.trace: TraceContext | None = None
        self.answering: Attempt | None = None
        self.broken: list[Attempt] = []
        self._bounds = bounds
        self._owner = owner
        self._accepted_for_others: CallEvent | None = None
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
        """Whether anybody subscribes, and not only looks on."""
        return bool(self.audience.followers)

    @property
    def has_begun(self) -> bool:
        """Whether events have come: then no other answer can take the place of this one."""
        return bool(self.ring.last_seq)

    @property
    def deadline(self) -> float:
        """The latest of those whom it answers."""
        return max((call.deadline for call in self.audience.calls), default=0.0)

    @property
    def resume_window(self) -> float:
        """The longest of those whom it answers, in seconds; 0 where nobody may come back."""
        longest = 0.0
        for call in self.audience.calls:
            if call.resume_window:
                longest = max(longest, call.resume_window)
        return longest

    def admit(self, call: Call) -> None:
        """The flight answers `call`."""
        call.flight = self
        self.audience.admit(call)

    def dismiss(self, call: Call) -> None:
        """It no longer does."""
        self.audience.dismiss(call)
        self.weigh()

    def subscribe(
        self, call: Call, form: type[Response], after_seq: int = 0, role: Role = Role.FOLLOWER
    ) -> Subscription[Response]:
        """Follows from behind `after_seq`, for `call`. Raises EVENTS_LOST or INVALID_REQUEST where there is no such place."""
        self.ring.check_reaches(after_seq)
        most = self._bounds.copy if role is Role.COPIER else self._bounds.message
        subscription = Subscription(self, call, form, after_seq, most=most, role=role)
        self.audience.seat(subscription)
        self.weigh()
        return subscription

    def unsubscribe(self, follower: Follower) -> None:
        """Ends a subscription; doing it twice is harmless."""
        if self.audience.unseat(follower):
            self._note_left(follower.call)

    def detach(self, call: Call) -> None:
        """The subscriber that began `call` only looks on from now on; nothing when it is gone, or does already."""
        for follower in self.audience.list_followers(call):
            if follower.has_begun_the_call and not follower.is_watching:
                self.audience.unseat(follower)
                follower.only_watch()
                self.audience.seat(follower)
                self._note_left(call)

    def _note_left(self, call: Call) -> None:
        self.weigh()
        if not call.following:
            self._owner.note_left(call)

    def note_unsettled(self, call: Call) -> None:
        """The subscriber that began `call` goes without having read how it ended."""
        self._owner.note_unsettled(call)

    def part(self, call: Call, error: RunestoneError) -> None:
        """Ends what follows for `call` with `error`; for the others the flight goes on."""
        for follower in self.audience.list_followers(call):
            follower.part(error)

    def note_trace(self, trace: TraceContext) -> None:
        """The span of the upstream call that runs."""
        self.trace = trace

    def accept(self, attempt: Attempt) -> None:
        """An answer has begun; one that was accepted before, and brought nothing, is none. One that brought a part broke off, and goes on
        with this: followers are told at the end."""
        before, self.answering = self.answering, attempt
        if before is not None and self.has_begun:
            self.broken.append(before)
            return
        self.accepted = events.accepted(attempt, self.attempts)
        self._accepted_for_others = None
        self.audience.wake()

    def accepted_for(self, call: Call) -> CallEvent | None:
        """`accepted`, as it is told to `call`."""
        if self.accepted is None or not call.is_coalesced:
            return self.accepted
        if self._accepted_for_others is None:
            self._accepted_for_others = events.coalesced(self.accepted)
        return self._accepted_for_others

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

    def measure(self) -> Passed:
        """What has come."""
        return self.ring.measure()

    def conclude(self, end: CallEvent) -> None:
        """Says the end; only the first one counts."""
        if self.end is None:
            self.end = end
            self.audience.wake()

    def fail(self, error: RunestoneError) -> None:
        """Concludes with a failure."""
        self.conclude(self.failure(error, self.ring.last_seq))

    def failure(self, error: RunestoneError, last_seq: int) -> CallEvent:
        """The end, for one who has read up to `last_seq`, of an answer that may go on for others."""
        return events.failed(error, self.attempts, last_seq=last_seq, owed=self.add_up())

    @property
    def news(self) -> Usage | None:
        """What the provider has counted on the way."""
        attempt = self.answering
        return attempt.bill.news if attempt is not None and attempt.bill is not None else None

    def add_up(self) -> Owed:
        """What it has come to so far, all parts together."""
        attempt = self.answering
        if attempt is None:
            return NOTHING
        owed = attempt.owed if attempt.ended else attempt.estimate(self.measure())
        return add_owed([*(part.owed for part in self.broken), owed])

    def pause(self, call: Call, *, paused: bool) -> None:
        """Stops or resumes what `call` gets. When all are paused nothing is read; their deadlines go on."""
        self.audience.pause(call, paused=paused)
        self.weigh()
        self.audience.wake()

    def has_room(self) -> bool:
        """Whether reading may go on: not paused, and whoever sets the pace not more than the window behind. While nobody follows, the ring
        lets nothing go; reading stops when it is full."""
        if self.audience.paused and self.audience.is_paused:
            return False
        pace = self._find_pace()
        return not self.ring.is_full if pace is None else self.ring.written - pace <= self._bounds.window

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
