"""How one task waits for what callbacks do, with a deadline for each wait and one timer for many of them."""

import asyncio


class Waiting:
    """One task waits, others wake it; a time of the loop bounds each wait, and may be moved while the task waits.

    Deadlines nearly always move away, so the timer is left where it is and set anew only when it has gone off: a busy
    connection sets one timer a minute instead of several for each call.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiter: asyncio.Future[None] | None = None
        self._deadline = 0.0
        self._alarm: asyncio.TimerHandle | None = None

    async def wait(self, deadline: float) -> None:
        """Returns when somebody wakes. Raises TimeoutError at `deadline`."""
        self.move(deadline)
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def move(self, deadline: float) -> None:
        """From now on `deadline` bounds the wait."""
        self._deadline = deadline
        if self._alarm is None or self._alarm.when() > deadline:
            self._set_alarm()

    def wake(self) -> None:
        """Lets the task go on; nothing when none waits."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def close(self) -> None:
        """Takes the timer back."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _set_alarm(self) -> None:
        self.close()
        self._alarm = self._loop.call_at(self._deadline, self._go_off)

    def _go_off(self) -> None:
        self._alarm = None
        if self._waiter is None or self._waiter.done():
            return
        if self._loop.time() < self._deadline:
            self._set_alarm()
        else:
            self._waiter.set_exception(TimeoutError())
