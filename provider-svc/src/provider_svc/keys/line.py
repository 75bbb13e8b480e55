"""Calls that wait for a key, in the order in which they came."""

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence

from chassis.errors import RunestoneError
from provider_svc.keys.seat import KeySeat

Granted = KeySeat | RunestoneError


class Waiter:
    """A call that waits for one of `keys`, to ask for `model`."""

    __slots__ = ("future", "keys", "model")

    def __init__(self, keys: Sequence[KeySeat], model: str) -> None:
        self.keys = keys
        self.model = model
        self.future: asyncio.Future[Granted] = asyncio.get_running_loop().create_future()

    def grant(self, granted: Granted) -> None:
        """Ends the wait: with a key whose place is taken already, or with why there will be none."""
        self.future.set_result(granted)

    @property
    def is_over(self) -> bool:
        """Granted, or given up."""
        return self.future.done()

    @property
    def granted(self) -> Granted | None:
        """What it was granted, also where it was given up in that moment."""
        return self.future.result() if self.future.done() and not self.future.cancelled() else None


class Line:
    """At most `most` calls wait, each at most `patience` seconds."""

    def __init__(self, most: int, patience: float) -> None:
        self._most = most
        self._patience = patience
        self._waiters: deque[Waiter] = deque()

    @property
    def is_full(self) -> bool:
        """Whether one more could not wait."""
        return len(self._waiters) >= self._most

    async def wait(self, waiter: Waiter) -> Granted:
        """What it is granted. Raises TimeoutError. Where it raises, or is cancelled, `waiter.granted` may have come in the same moment."""
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout(self._patience):
                return await waiter.future
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)

    def __iter__(self) -> Iterator[Waiter]:
        """Those who still wait, the longest first; they may be granted something meanwhile."""
        return (waiter for waiter in self._waiters if not waiter.is_over)

    def __len__(self) -> int:
        return len(self._waiters)
