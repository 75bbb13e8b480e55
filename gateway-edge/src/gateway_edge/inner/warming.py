"""Asking known questions at start, before anybody else asks them."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import BinaryIO, Protocol

from chassis.clock import Clock
from chassis.config.schema import Warming as Wanted
from chassis.logs import Logger
from chassis.metric_families import Counter
from gateway_edge.call import Outcome
from gateway_edge.callers.tenants import Authority, Principal
from gateway_edge.inner.question_file import Line, read_in_steps
from gateway_edge.inner.round import Came, Pace, Round, Sleep

# Seconds.
PATIENCE = 60.0  # until what is needed can be reached
REPORT_EVERY = 10.0
LONGEST_PAUSE, SHORTEST_PAUSE = 60.0, 0.1

MOST = 16  # at a time: half of the inner calls' places, so that there is room for other reasons to ask
TRIES = 3
TOLD = 20  # bad lines that are told of each; more are counted
NAME = "warming"  # who asks where no key is named


class Asks(Protocol):
    """What this needs of `InnerCalls`."""

    async def make(self, principal: Principal, body: bytes) -> Outcome:
        """Asks, and says how it went."""


class Needed(Protocol):
    """A service without which asking would be in vain."""

    async def is_connected_within(self, timeout: float) -> bool:
        """Whether it can be reached, waiting up to `timeout` seconds."""


class Warming:
    """One round over the file of `cache.warm`, for its tenant. It costs the tenant what asking would cost a client: requests
    of its limits, and money; a question that a limit refuses is asked again when the limit says so. A bad line is told of
    and passed over."""

    def __init__(
        self,
        wanted: Wanted,
        calls: Asks,
        authority: Callable[[], Authority],
        needed: Sequence[Needed],
        *,
        longest: int,
        clock: Clock,
        log: Logger,
        outcomes: Counter,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._wanted = wanted
        self._calls = calls
        self._authority = authority
        self._needed = needed
        self._longest = longest
        self._log = log
        self._outcomes = outcomes
        self._sleep = sleep
        self._round = Round(self._ask, Pace(wanted.rate, clock, sleep), most=MOST, note=self._note)

    async def run(self) -> None:
        """Returns when the file has been asked through, or cannot be; says so in the log."""
        if not await self._is_worth_asking():
            self._log.warning("the cache is not warmed: it or the providers cannot be reached", patience=PATIENCE)
            return
        try:
            file = await asyncio.to_thread(Path(self._wanted.file or "").open, "rb")
        except OSError as error:
            self._log.warning("the cache is not warmed: the file cannot be read", error=str(error))
            return
        with file:
            await self._ask_all(file)
        self._tell("warming the cache was stopped" if self._round.is_stopped else "the cache is warmed")

    async def stop(self, _grace: float) -> None:
        """Asks nothing more; what is being asked ends as all running calls do."""
        self._round.stop()

    async def _is_worth_asking(self) -> bool:
        reached = [await needed.is_connected_within(PATIENCE) for needed in self._needed]
        return all(reached)

    async def _ask_all(self, file: BinaryIO) -> None:
        reporting = asyncio.create_task(self._report())
        try:
            async with aclosing(read_in_steps(file, self._longest)) as lines:
                await self._round.run(lines)
        finally:
            reporting.cancel()
            await asyncio.wait([reporting])

    async def _ask(self, line: Line) -> Came:
        """Again, where the refusal says when."""
        for _ in range(TRIES):
            principal = self._find_principal()
            if principal is None:
                break
            outcome = await self._calls.make(principal, line.body)
            if outcome.error is None:
                return Came.of_cache(outcome.cache)
            if outcome.error.retry_after is None or self._round.is_stopped:
                break
            await self._sleep(min(max(outcome.error.retry_after, SHORTEST_PAUSE), LONGEST_PAUSE))
        return Came.FAILED

    def _find_principal(self) -> Principal | None:
        """Who may ask now: keys and limits may have changed since the last question. Without its tenant the round is over."""
        principal = self._authority().member(self._wanted.tenant, self._wanted.key or NAME)
        if principal is None and not self._round.is_stopped:
            self._round.stop()
            self._log.warning("warming the cache ends: there is no such tenant", tenant=self._wanted.tenant)
        return principal

    def _note(self, line: Line, came: Came) -> None:
        self._outcomes.labels(str(came)).inc()
        if line.fault and self._round.counts[Came.BAD_LINE] <= TOLD:
            self._log.warning("a line is no question", file=self._wanted.file, line=line.number, fault=line.fault)

    async def _report(self) -> None:
        while True:
            await self._sleep(REPORT_EVERY)
            self._tell("warming the cache")

    def _tell(self, event: str) -> None:
        self._log.info(event, file=self._wanted.file, **self._round.describe())

    def __repr__(self) -> str:
        return f"Warming({self._wanted.file}, {self._round.describe()})"
