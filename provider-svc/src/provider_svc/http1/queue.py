"""Calls that wait for a connection: bounded, each with its deadline, served in the order in which they came."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from provider_svc.http1.faults import ConnectTimeout, QueueFull

Thing = TypeVar("Thing")


class Queue(Generic[Thing]):
    """`give_back` takes what was granted in the very moment in which a call gave up. `places` is how many things there are."""

    def __init__(self, bound: int, places: int, give_back: Callable[[Thing], None]) -> None:
        self._bound = bound
        self._places = places
        self._give_back = give_back
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[asyncio.Future[Thing]] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    async def wait(self, deadline: float) -> Thing:
        """What this call is served. Raises QueueFull at once, ConnectTimeout at the loop time `deadline`, and what `fail` was given."""
        if len(self._waiting) >= self._bound:
            raise QueueFull(f"all {self._places} connections are in use, and too many calls wait for one")
        waiter: asyncio.Future[Thing] = self._loop.create_future()
        self._waiting.append(waiter)
        try:
            async with asyncio.timeout_at(deadline):
                return await waiter
        except TimeoutError as exc:
            self._leave(waiter)
            raise ConnectTimeout(f"had none of its {self._places} connections free") from exc
        except asyncio.CancelledError:
            self._leave(waiter)
            raise

    def serve(self, thing: Thing) -> bool:
        """Gives `thing` to who has waited longest; whether anybody waited."""
        waiter = self._next()
        if waiter is not None:
            waiter.set_result(thing)
        return waiter is not None

    def fail(self, fault: Exception) -> None:
        """Tells all who wait that there will be nothing."""
        while (waiter := self._next()) is not None:
            waiter.set_exception(fault)

    def _next(self) -> "asyncio.Future[Thing] | None":
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                return waiter
        return None

    def _leave(self, waiter: "asyncio.Future[Thing]") -> None:
        if waiter in self._waiting:
            self._waiting.remove(waiter)
        if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
            self._give_back(waiter.result())
