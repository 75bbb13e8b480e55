"""Tells cache-svc what others may like to know, for as long as it may be of use to them."""

import asyncio
import random
from collections.abc import Awaitable
from typing import Protocol

from google.protobuf.duration_pb2 import Duration

from chassis.clock import Clock
from chassis.errors import Reason, RunestoneError
from chassis.metric_families import Counter
from provider_svc.hints.hints import Counts, Hints
from provider_svc.hints.outbox import Letter
from runestone.hint.v1.hint_pb2 import TellRequest, TellResponse

TOPIC = "breaker"
SHORTEST_PAUSE, LONGEST_PAUSE = 0.02, 2.0  # seconds before cache-svc is asked again that did not take one
IN_VAIN = {Reason.INVALID_REQUEST, Reason.UNIMPLEMENTED}


class Tells(Protocol):
    """What is needed of cache-svc: `HintServiceStub`."""

    def Tell(self, request: TellRequest, /) -> Awaitable[TellResponse]:  # noqa: N802  the rpc's name
        """Passes a hint on."""


class Teller:
    """Empties the outbox, one letter after the other. One that is over before it could be told is dropped."""

    def __init__(self, hints: Hints, cache: Tells, clock: Clock, counts: Counts) -> None:
        self._hints = hints
        self._cache = cache
        self._clock = clock
        self._counts = counts

    async def run(self) -> None:
        """Until cancelled."""
        pause = SHORTEST_PAUSE
        while True:
            letter = self._hints.outbox.first
            if letter is None:
                await self._hints.news.wait()
            elif await self._is_done_with(letter):
                pause = SHORTEST_PAUSE
            else:
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  jitter, not secrecy
                pause = min(pause * 2, LONGEST_PAUSE)

    async def _is_done_with(self, letter: Letter) -> bool:
        """Whether it was told, or is to be told no more; False when it is to be tried again."""
        left = letter.until - self._clock.monotonic()
        if left <= 0:
            self._remove(letter, self._counts.dropped)
            return True
        try:
            await self._cache.Tell(self._write(letter.key, left))
        except RunestoneError as error:
            if error.reason not in IN_VAIN:
                return False
            self._remove(letter, self._counts.dropped)
        else:
            self._remove(letter, self._counts.told)
        return True

    def _remove(self, letter: Letter, counter: Counter) -> None:
        self._hints.outbox.remove(letter)
        counter.inc()

    def _write(self, key: bytes, left: float) -> TellRequest:
        request = TellRequest(topic=TOPIC, key=key, sender=self._hints.sender, ttl=Duration())
        request.ttl.FromNanoseconds(max(int(left * 1e9), 1))
        return request
