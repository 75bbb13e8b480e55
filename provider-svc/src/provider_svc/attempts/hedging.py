"""Asks a second target when the first takes unusually long to begin, and takes whichever begins first.

J. Dean, L. A. Barroso, The Tail at Scale (2013): a few per cent of hedged requests cut the tail of all.
"""

import asyncio

from chassis.billing.estimate import Passed
from chassis.clock import Clock
from chassis.config.models import Hedging as Settings
from provider_svc.attempts.asking import Landing, Passing
from provider_svc.attempts.attempt import Attempt
from provider_svc.attempts.journey import Journey
from provider_svc.attempts.to_target import ToTarget
from provider_svc.health.budget import Budget
from provider_svc.provider import Chunk
from provider_svc.telemetry import Telemetry

RESERVE = 1  # hedges that may be made before calls have earned them


class Hedging:
    """Makes up to two upstream calls at once, the second paid from what calls have earned: never more than the configured share."""

    def __init__(self, inner: ToTarget, settings: Settings, telemetry: Telemetry, clock: Clock) -> None:
        self._inner = inner
        self._after = settings.after
        self._budget = Budget(share=settings.share, reserve=RESERVE, most=RESERVE)
        self._telemetry = telemetry
        self._clock = clock

    async def ask(self, journey: Journey, landing: Landing) -> None:
        """See `Asking.ask`. Raises the failure that came last."""
        if journey.is_new:
            self._budget.earn()
        first = journey.depart(self._clock.monotonic())
        patience = self._find_patience(first)
        if patience is None or journey.is_exhausted:
            await self._inner.make(first, landing)
        else:
            await self._race(journey, first, patience, landing)

    def _find_patience(self, first: Attempt) -> float | None:
        """Seconds until the second is asked; None while nobody knows what is usual."""
        return self._after if self._after is not None else first.stop.health.first_byte_p95(stream=first.call.stream)

    async def _race(self, journey: Journey, first: Attempt, patience: float, landing: Landing) -> None:
        race = Race(landing)
        try:
            race.enter(self._inner, first)
            await race.wait(patience)
            if race.is_open and (second := self._find_second(journey)) is not None:
                race.enter(self._inner, second)
            await race.finish()
        finally:
            await race.close()

    def _find_second(self, journey: Journey) -> Attempt | None:
        now = self._clock.monotonic()
        other = journey.leg.find_other(now)
        if other is None or not self._budget.spend():
            return None
        self._telemetry.note_extra(journey.leg.route, "hedge", "")
        return journey.visit(other, "hedge", now)


class Race:
    """Upstream calls that run at once. The first that brings a chunk, or is whole without, wins; the others are cancelled in the same step."""

    def __init__(self, landing: Landing) -> None:
        self.landing = landing
        self.winner: Lane | None = None
        self._attempts: list[Attempt] = []
        self._tasks: dict[Lane, asyncio.Task[None]] = {}

    @property
    def is_open(self) -> bool:
        """Whether nobody has won, and somebody still may."""
        return self.winner is None and not any(task.done() for task in self._tasks.values())

    def enter(self, maker: ToTarget, attempt: Attempt) -> None:
        """Begins an upstream call."""
        lane = Lane(self)
        self._attempts.append(attempt)
        making = self._make(maker, attempt, lane)
        self._tasks[lane] = asyncio.get_running_loop().create_task(making, name=f"attempt {attempt.number}")

    def win(self, lane: "Lane") -> None:
        """`lane` is the one whose answer counts."""
        self.winner = lane
        for other, task in self._tasks.items():
            if other is not lane:
                task.cancel()

    async def wait(self, seconds: float) -> None:
        """Returns after so long, and sooner when the call that runs is over."""
        await asyncio.wait(self._tasks.values(), timeout=seconds)

    async def finish(self) -> None:
        """Returns when the winner's answer is whole. Raises its failure, or the last one when nobody has won."""
        while True:
            pending = [task for task in self._tasks.values() if not task.done()]
            if self.winner is not None:
                await self._tasks[self.winner]
                return
            if not pending:
                break
            await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        await next(reversed(self._tasks.values()))

    async def close(self) -> None:
        """Ends what still runs; returns when all sockets are closed."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        for attempt in self._attempts:
            if not attempt.ended:  # cancelled before its first step
                attempt.give_up()

    @staticmethod
    async def _make(maker: ToTarget, attempt: Attempt, lane: "Lane") -> None:
        await maker.make(attempt, lane)
        lane.end()


class Lane(Passing):
    """Where the answer of one of several goes: nowhere, until it is the first."""

    def __init__(self, race: Race) -> None:
        super().__init__(race.landing)
        self._race = race
        self._accepted: Attempt | None = None

    @property
    def has_begun(self) -> bool:
        """Of this one's answer."""
        return self._race.winner is self and self._landing.has_begun

    def accept(self, attempt: Attempt) -> None:
        """Told when it has won."""
        self._accepted = attempt
        if self._race.winner is self:
            self._landing.accept(attempt)

    def add(self, chunk: Chunk) -> None:
        """Wins, if nobody has."""
        if self._race.winner is None:
            self._win()
        if self._race.winner is self:
            self._landing.add(chunk)

    def end(self) -> None:
        """It is whole: that wins, too, where nothing has to be brought."""
        if self._race.winner is None:
            self._win()

    def has_room(self) -> bool:
        """Whether reading may go on: until the first chunk it may."""
        return self._race.winner is not self or self._landing.has_room()

    async def wait_for_room(self) -> None:
        """Returns when it may."""
        if self._race.winner is self:
            await self._landing.wait_for_room()

    def measure(self) -> Passed:
        """What has come of this one."""
        return self._landing.measure() if self._race.winner is self else Passed()

    def _win(self) -> None:
        self._race.win(self)
        if self._accepted is not None:
            self._landing.accept(self._accepted)
