"""Units of limits taken ahead from ratelimit-svc, so that calls are admitted without asking anybody.

The bookkeeping is in `book.py`; this is what waits: asking for calls that found no unit, renewing before a lease is dry,
giving back what is not needed. Every refusal is ratelimit-svc's own, with its exact wait.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from typing import Any

from chassis.breaker import Breaker
from chassis.clock import Clock
from chassis.context import CallContext, bind, current
from chassis.errors import Reason, RunestoneError
from gateway_edge.limits import messages as lease_messages
from gateway_edge.limits.book import Hold, LeaseBook, Limits, Reply
from gateway_edge.limits.limit import RequestLimit
from gateway_edge.limits.messages import Limiter
from gateway_edge.limits.metrics import LeaseMetrics
from gateway_edge.limits.verdict import Verdict

MAX_CALLS = 1_000  # ratelimit-svc's bound on calls in one request
MAX_RETURNED = 32  # and on leases in one
MAX_WAITING = 10_000
IDLE = 1_000_000  # microseconds without a call after which leases are returned
SWEEP = 0.5  # seconds
LAST_RETURN = 1.0  # seconds; what is not returned by then lapses

Answer = asyncio.Future[list[Verdict] | None]


class Leases:
    """What this edge holds of limits, and its way to get more. `spawn` owns the tasks that this starts."""

    def __init__(
        self,
        limiter: Limiter,
        breaker: Breaker,
        *,
        clock: Clock,
        spawn: Callable[[Coroutine[Any, Any, None], str], None],
        metrics: LeaseMetrics,
        book: LeaseBook | None = None,
    ) -> None:
        self._limiter = limiter
        self._breaker = breaker
        self._clock = clock
        self._spawn = spawn
        self._metrics = metrics
        self._book = LeaseBook() if book is None else book
        self._queues: dict[Limits, deque[Answer]] = {}
        self._renewals: dict[RequestLimit, asyncio.Event] = {}
        self._is_sweeping = False
        metrics.watch(self._book.count_leases, lambda: self._book.count_units(self._now()))

    def hold(self, limits: Sequence[RequestLimit]) -> Hold:
        """Takes a unit of each limit that is leased here. What is lacking is `reserve`'s to decide."""
        hold = self._book.hold(limits, self._now())
        if not self._is_sweeping:
            self._is_sweeping = True
            self._spawn(self._sweep(), "lease sweep")
        if hold.is_whole:
            self._metrics.by_lease.inc()
            if low := hold.find_low():
                self._renew(low)
        return hold

    async def reserve(self, limits: Limits) -> list[Verdict] | None:
        """How the limits stand for one call that lacked them; None when ratelimit-svc does not answer.

        Calls that lack the same limits at the same time are asked for together, one request after the other, each bounded
        by the limiter's timeout. A call that is cancelled meanwhile may leave its units spent. Raises OVERLOADED when too
        many wait.
        """
        waiting = self._queues.get(limits)
        if waiting is None:
            waiting = self._queues[limits] = deque()
            self._spawn(self._decide_all(limits, waiting), "limits")
        if len(waiting) >= MAX_WAITING:
            raise RunestoneError(Reason.OVERLOADED, "too many calls wait for this limit", retry_after=1.0)
        answer: Answer = asyncio.get_running_loop().create_future()
        waiting.append(answer)
        return await answer

    async def drain(self, grace: float) -> None:
        """Returns everything within `grace` seconds, a second at most, and takes nothing ahead from now on."""
        self._book.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(min(grace, LAST_RETURN)):
                await self._wait_for_renewals(tuple(self._renewals))
                await self._give_up()

    async def _decide_all(self, limits: Limits, waiting: deque[Answer]) -> None:
        """Until nobody waits. One call's deadline is not the others', so they are asked for without it."""
        bind(current()._replace(deadline=None))
        try:
            while waiting:
                await self._wait_for_renewals(limits)
                self._serve(limits, waiting)
                batch = [waiting.popleft() for _ in range(min(len(waiting), MAX_CALLS))]
                await self._decide(limits, [answer for answer in batch if not answer.done()])
        finally:
            del self._queues[limits]
            _settle(waiting, None)

    async def _wait_for_renewals(self, limits: Limits) -> None:
        for limit in limits:
            if (renewal := self._renewals.get(limit)) is not None:
                await renewal.wait()

    def _serve(self, limits: Limits, waiting: deque[Answer]) -> None:
        """Out of leases that have come meanwhile."""
        now = self._now()
        while waiting and (hold := self._book.hold_whole(limits, now)) is not None:
            answer = waiting.popleft()
            if answer.done():
                hold.put_back()
            else:
                answer.set_result(hold.fill())
                self._metrics.by_lease.inc()

    async def _decide(self, limits: Limits, batch: list[Answer]) -> None:
        reply = None
        try:
            reply = await self._ask(limits, len(batch)) if batch else None
        finally:
            if reply is None:
                self._metrics.by_nobody.inc(len(batch))
                _settle(batch, None)
        if reply is not None:
            self._metrics.by_service.inc(len(batch))
            _settle(batch[: reply.admitted], self._book.view(limits, self._now()))
            _settle(batch[reply.admitted :], reply.verdicts)

    async def _ask(self, limits: Limits, calls: int) -> Reply | None:
        """One request, for calls that wait and for units ahead; None when it was not answered."""
        asked_at = self._now()
        with self._book.asking(limits, asked_at) as aheads:
            if not (calls or any(aheads)) or not self._breaker.admits():
                return None
            try:
                reply = await self._send(limits, calls, aheads)
            except RunestoneError:
                self._breaker.failed()
                return None
        self._breaker.succeeded()
        self._book.hear(limits, reply, asked_at, self._now())
        return reply

    def _send(self, limits: Limits, calls: int, aheads: Sequence[int]) -> Coroutine[Any, Any, Reply]:
        """A single call under limits that are hardly used needs no lease."""
        if calls == 1 and not any(aheads):
            return lease_messages.reserve(self._limiter, limits)
        return lease_messages.lease(self._limiter, limits, calls, aheads)

    def _renew(self, limits: Limits) -> None:
        """Asks for more before it is needed; a call that finds nothing left meanwhile waits for it."""
        limits = tuple(limit for limit in limits if limit not in self._renewals)
        if limits:
            done = asyncio.Event()
            self._renewals |= dict.fromkeys(limits, done)
            self._spawn(self._renew_now(limits, done), "lease renewal")

    async def _renew_now(self, limits: Limits, done: asyncio.Event) -> None:
        bind(CallContext())
        try:
            await self._ask(limits, 0)
        finally:
            for limit in limits:
                del self._renewals[limit]
            done.set()

    async def _sweep(self) -> None:
        """As long as there is anything to watch, so that an idle edge sleeps."""
        bind(CallContext())
        try:
            while len(self._book):
                await asyncio.sleep(SWEEP)
                await self._give_up(IDLE)
        finally:
            self._is_sweeping = False

    async def _give_up(self, idle: int = 0) -> None:
        """Returns leases that are not used; those that cannot be returned lapse."""
        leftovers = self._book.give_up(self._now(), idle)
        with suppress(RunestoneError):
            for first in range(0, len(leftovers), MAX_RETURNED):
                await lease_messages.give_back(self._limiter, leftovers[first : first + MAX_RETURNED])

    def _now(self) -> int:
        return int(self._clock.monotonic() * 1_000_000)

    def __repr__(self) -> str:
        waiting = sum(map(len, self._queues.values()))
        return f"Leases({self._book!r}, {waiting} calls waiting, {self._breaker!r})"


def _settle(answers: Iterable[Answer], verdicts: list[Verdict] | None) -> None:
    for answer in answers:
        if not answer.done():
            answer.set_result(verdicts)
