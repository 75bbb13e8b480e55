"""For how long a call may be left by all who follow it, and for how long it may be paused."""

import asyncio
import math
from collections.abc import Callable

from chassis.errors import Reason, RunestoneError
from provider_svc.call import Call

End = Callable[[Call, str, RunestoneError], None]  # which window was it that has passed: resume or pause


class Windows:
    """The timers of calls that were left, and of those that are paused. `end` is told of a call whose window has passed."""

    def __init__(self, end: End) -> None:
        self._end = end
        self._left: dict[Call, asyncio.TimerHandle] = {}
        self._paused: dict[Call, asyncio.TimerHandle] = {}

    @property
    def left(self) -> int:
        """How many calls go on now although nobody follows them."""
        return len(self._left)

    def note_left(self, call: Call) -> None:
        """Nobody follows the call any more: somebody has its window to come back."""
        self.note_followed(call)
        loop = asyncio.get_running_loop()
        self._left[call] = loop.call_later(call.resume_window, self._end_left, call)

    def note_followed(self, call: Call) -> None:
        """Somebody follows the call, or it is over and nobody has to."""
        if (timer := self._left.pop(call, None)) is not None:
            timer.cancel()

    def note_paused(self, call: Call) -> None:
        """The call is paused; when it was already, its window goes on as it was."""
        if call not in self._paused and call.pause_window < math.inf:
            loop = asyncio.get_running_loop()
            self._paused[call] = loop.call_later(call.pause_window, self._end_paused, call)

    def note_resumed(self, call: Call) -> None:
        """It is no longer paused."""
        if (timer := self._paused.pop(call, None)) is not None:
            timer.cancel()

    def forget(self, call: Call) -> None:
        """There is no such call any more."""
        for timers in (self._left, self._paused):
            if (timer := timers.pop(call, None)) is not None:
                timer.cancel()

    def close(self) -> None:
        """Ends no call any more."""
        for call in {*self._left, *self._paused}:
            self.forget(call)

    def _end_left(self, call: Call) -> None:
        del self._left[call]
        message = f"nobody came back to the call within its window of {call.resume_window:g} s"
        self._end(call, "resume", RunestoneError(Reason.CANCELLED, message))

    def _end_paused(self, call: Call) -> None:
        del self._paused[call]
        message = f"the call was paused for longer than its window of {call.pause_window:g} s"
        self._end(call, "pause", RunestoneError(Reason.DEADLINE_EXCEEDED, message))

    def __repr__(self) -> str:
        return f"Windows({len(self._left)} calls left, {len(self._paused)} paused)"
