"""Where copies are kept: cache-svc, asked through a breaker and not by everybody at once."""

import asyncio
from collections.abc import Awaitable
from typing import Protocol

from chassis.breaker import Breaker
from chassis.errors import Reason, RunestoneError
from runestone.stream.v1.stream_pb2 import AppendRequest, AppendResponse

PAUSES = (0.1, 0.5)  # seconds before one that may have been a moment's failure is sent again
MAX_AT_ONCE = 64  # of all streams; the others' events wait in their rings
PASSING = {Reason.UNAVAILABLE, Reason.DEADLINE_EXCEEDED}


class Appends(Protocol):
    """What is needed of cache-svc: `StreamServiceStub`."""

    def Append(self, request: AppendRequest, /) -> Awaitable[AppendResponse]:  # noqa: N802  the rpc's name
        """Adds to a copy."""


class Store:
    """Takes what is appended, trying a few times; sending the same again is harmless."""

    def __init__(self, cache: Appends, breaker: Breaker) -> None:
        self._cache = cache
        self._breaker = breaker
        self._places = asyncio.Semaphore(MAX_AT_ONCE)

    async def append(self, request: AppendRequest) -> None:
        """Raises RunestoneError when it was refused, or was not taken for a second or two."""
        for pause in PAUSES:
            try:
                return await self._try(request)
            except RunestoneError as error:
                if error.reason not in PASSING:
                    raise
            await asyncio.sleep(pause)
        return await self._try(request)

    async def _try(self, request: AppendRequest) -> None:
        async with self._places:
            if not self._breaker.admits():
                raise RunestoneError(Reason.UNAVAILABLE, "cache-svc does not answer; it is left alone for a moment")
            try:
                await self._cache.Append(request)
            except RunestoneError as error:
                self._note(is_answered=error.reason not in PASSING)
                raise
            self._note(is_answered=True)

    def _note(self, *, is_answered: bool) -> None:
        if is_answered:
            self._breaker.succeeded()
        else:
            self._breaker.failed()
