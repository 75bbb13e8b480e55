"""Copies one call's events as they come."""

import asyncio
from typing import Protocol

from chassis.clock import Clock
from chassis.errors import RunestoneError
from provider_svc.copies.writing import is_lost, write_append, write_ttl
from provider_svc.subscription import Subscription
from runestone.provider.v1.provider_pb2 import AttachResponse
from runestone.stream.v1.stream_pb2 import AppendRequest

PAUSE = 0.2  # seconds in which events gather, unless there are many
MANY = 32 << 10  # bytes: half of what is appended at once

WHOLE, LOST, FAILED, LEFT = "whole", "lost", "failed", "left"  # outcomes


class Appender(Protocol):
    """Takes the next part of a copy."""

    async def append(self, request: AppendRequest) -> None:
        """Raises RunestoneError when it is not taken."""


class Copier:
    """A reader that only looks on. Events wait for it in the call's ring; when it falls further behind than that reaches the copy ends
    there, as it does when the store takes no more. Nobody waits for it."""

    def __init__(self, subscription: Subscription[AttachResponse], store: Appender, clock: Clock) -> None:
        self._subscription = subscription
        self._call = subscription.call
        self._store = store
        self._clock = clock
        self._next_seq = 1

    async def run(self) -> str:
        """Copies up to the call's end, one part after the other; how that went."""
        try:
            while not is_lost(response := await anext(self._subscription)):
                if await self._append(response):
                    return WHOLE
                if response.ByteSize() < MANY:
                    await asyncio.sleep(PAUSE)
        except RunestoneError:
            return FAILED
        finally:
            self._subscription.leave()
        return LOST

    async def _append(self, response: AttachResponse) -> bool:
        """Whether it was the last."""
        request = write_append(response, self._call.tenant, self._call.call_id, self._next_seq)
        request.ttl.CopyFrom(write_ttl(self._find_ttl(is_over=bool(request.end))))
        await self._store.append(request)
        self._next_seq = request.first_seq + len(request.ends)
        return bool(request.end)

    def _find_ttl(self, *, is_over: bool) -> float:
        """In seconds. While the call runs its next event may be as far off as its deadline."""
        left = 0.0 if is_over else self._call.deadline - self._clock.monotonic()
        return self._call.resume_window + max(left, 0.0)
