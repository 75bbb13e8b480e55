"""What was answered without asking a provider: counted, and told to cache-svc for its statistics."""

import asyncio
from collections.abc import Awaitable
from typing import Protocol

from chassis.errors import RunestoneError
from chassis.metrics import Metrics
from runestone.cache.v1.cache_pb2 import NoteUseRequest, NoteUseResponse
from runestone.common.v1.cost_pb2 import Cost
from runestone.common.v1.usage_pb2 import Usage

INTERVAL = 1.0  # seconds


class UseListener(Protocol):
    """What is needed of cache-svc: `CacheServiceStub`."""

    def NoteUse(self, request: NoteUseRequest, /) -> Awaitable[NoteUseResponse]:  # noqa: N802  the rpc's name
        """Counts."""


class Uses:
    """Counters of this process, in its metrics at once and told every second."""

    def __init__(self, listener: UseListener, metrics: Metrics) -> None:
        self._listener = listener
        self._since_told = NoteUseRequest()
        answers = metrics.counter("cache_answers", "Calls by how the cache took part", ("outcome",))
        self._answers, self._hits = answers, answers.labels("HIT")
        tokens = metrics.counter("cache_saved_tokens", "Tokens that no provider read or wrote", ("direction",))
        self._input, self._output = tokens.labels("input"), tokens.labels("output")
        self._dollars = metrics.counter("cache_saved_dollars", "What no provider had to be paid").labels()

    def note(self, outcome: str) -> None:
        """A call that was answered, or goes on: `HIT`, `MISS`, `REFRESH`, `BYPASS`. One that then shares another's counts again."""
        self._answers.labels(outcome).inc()

    def note_near_hit(self, usage: Usage | None, cost: Cost | None) -> None:
        """A call that was answered where it arrived."""
        self._hits.inc()
        self.save(usage, cost, is_near=True)

    def note_near_miss(self) -> None:
        """A question whose answer was known not to be kept, without asking."""
        self._since_told.near_misses += 1

    def follow(self, usage: Usage | None, cost: Cost | None) -> None:
        """A call that shared another's."""
        self._since_told.coalesced += 1
        self.note("COALESCED")
        self.save(usage, cost)

    def save(self, usage: Usage | None, cost: Cost | None, *, is_near: bool = False) -> None:
        """An answer that no provider gave again, and what it used and cost the first time, where that is known."""
        told = self._since_told
        told.near_hits += is_near
        if usage is not None:
            told.saved_input_tokens += usage.input_tokens
            told.saved_output_tokens += usage.output_tokens
            self._input.inc(usage.input_tokens)
            self._output.inc(usage.output_tokens)
        if cost is not None:
            told.saved_nano_usd += cost.nano_usd
            self._dollars.inc(cost.nano_usd / 1e9)

    async def tell(self) -> None:
        """Tells cache-svc every second, when there is something to tell, until cancelled. What it does not hear is lost to its
        statistics, not to the metrics."""
        while True:
            await asyncio.sleep(INTERVAL)
            told, self._since_told = self._since_told, NoteUseRequest()
            if told.ByteSize():
                try:
                    await self._listener.NoteUse(told)
                except RunestoneError:
                    continue
