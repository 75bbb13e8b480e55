"""Gives the keys of one provider out: to a call at once, or to those who wait in the order in which they came."""

import asyncio
from collections.abc import Sequence
from math import inf

from chassis.clock import Clock
from chassis.errors import RunestoneError
from provider_svc.keys.choice import WORTH_WAITING, busy, find_free, find_pause, find_trusted, paused
from provider_svc.keys.line import Granted, Line, Waiter
from provider_svc.keys.seat import KeySeat

SHORTEST_ALARM = 0.001  # seconds


class Desk:
    """The `keys` of the provider `name`, and the `line` of those who wait for one.

    Nobody waits who could be served: each change that may free a key (a call's end, a limit that grew, the end of a pause) serves the line.
    """

    def __init__(self, name: str, keys: Sequence[KeySeat], clock: Clock, line: Line) -> None:
        self.name = name
        self.keys = keys
        self.line = line
        self._clock = clock
        self._alarm: asyncio.TimerHandle | None = None
        self._doubt = -inf  # until then some key is distrusted
        self._turn = 0.0

    def take(self, keys: Sequence[KeySeat], model: str) -> KeySeat | None:
        """One of `keys` and a place of it, to be given back with `leave`; None where all are in use. Raises PROVIDER_RATE_LIMITED where
        each is paused for longer than is worth waiting."""
        now = self._clock.monotonic()
        if self.line:
            self._serve(now)
        granted = self._decide(keys, model, now)
        if isinstance(granted, RunestoneError):
            raise granted
        return granted

    async def wait(self, keys: Sequence[KeySeat], model: str) -> KeySeat:
        """As `take`, as soon as there is one. Raises OVERLOADED when too many wait, or it took too long; PROVIDER_RATE_LIMITED as soon as each
        is paused. Cancelling gives back what it may just have got."""
        if self.line.is_full:
            raise busy(self.name, "and too many wait")
        self._set_alarm(self._clock.monotonic())
        waiter = Waiter(keys, model)
        try:
            granted: Granted | None = await self.line.wait(waiter)
        except TimeoutError:
            granted = waiter.granted
        except BaseException:
            if isinstance(waiter.granted, KeySeat):
                self.leave(waiter.granted)
            raise
        if granted is None:
            raise busy(self.name, "and none ended in time")
        if isinstance(granted, RunestoneError):
            raise granted
        return granted

    def leave(self, key: KeySeat) -> None:
        """A call with `key` is over."""
        key.running -= 1
        self.serve()

    def serve(self) -> None:
        """Gives free places to those who have waited longest."""
        if self.line:
            self._serve(self._clock.monotonic())

    def note_pause(self, key: KeySeat) -> None:
        """`key` is left alone from now on, for some model or at all: who would wait for nothing else is told at once."""
        now = self._clock.monotonic()
        self._doubt = max(self._doubt, key.distrusted)
        for waiter in self.line:
            self._answer(waiter, now)
        self._set_alarm(now)

    def find(self, keys: Sequence[KeySeat], model: str) -> KeySeat | None:
        """Whom `take` would give, taking nothing."""
        now = self._clock.monotonic()
        return find_free(self._trusted(keys, now), model, now)

    def close(self) -> None:
        """Takes the timer back."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _trusted(self, keys: Sequence[KeySeat], now: float) -> Sequence[KeySeat]:
        return keys if now >= self._doubt else find_trusted(keys, now)

    def _decide(self, keys: Sequence[KeySeat], model: str, now: float) -> Granted | None:
        """A key and a place of it, or why there will be none; None where waiting is worth while."""
        keys = self._trusted(keys, now)
        key = find_free(keys, model, now)
        if key is None:
            left = find_pause(keys, model, now)
            return paused(self.name, len(keys), left) if left > WORTH_WAITING else None
        key.running += 1
        if len(self.keys) > 1:  # start-time fair queueing (Goyal, 1996): who was left out for a while does not catch up
            self._turn = max(self._turn, key.turn)
            key.turn = self._turn + 1 / key.weight
        return key

    def _serve(self, now: float) -> None:
        for waiter in self.line:
            if not any(key.running < key.limit.places for key in self.keys):
                break
            self._answer(waiter, now)
        self._set_alarm(now)

    def _answer(self, waiter: Waiter, now: float) -> None:
        granted = self._decide(waiter.keys, waiter.model, now)
        if granted is not None:
            waiter.grant(granted)

    def _set_alarm(self, now: float) -> None:
        """The end of a pause is nobody's doing: a timer looks after those who wait for it."""
        ends = [left for key in self.keys for left in key.list_left(now)]
        if not ends:
            return
        loop = asyncio.get_running_loop()
        when = loop.time() + max(SHORTEST_ALARM, min(ends))
        if self._alarm is None or self._alarm.when() > when:
            self.close()
            self._alarm = loop.call_at(when, self._go_off)

    def _go_off(self) -> None:
        self._alarm = None
        self.serve()

    def __repr__(self) -> str:
        keys = ", ".join(f"{key.name} {key.running} of {key.limit.places}" for key in self.keys)
        return f"Desk({keys}; {len(self.line)} waiting)"
