"""An answer's steps, told as more of the one that broke off before it. Pure."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from chassis.billing.total import add_up
from provider_svc.dialects.seam import Seam
from provider_svc.dialects.steps import (
    Cite,
    Close,
    Count,
    End,
    Grow,
    OpenCall,
    OpenText,
    OpenThinking,
    Start,
    Step,
    Stop,
)
from provider_svc.dialects.told import Told
from runestone.common.v1.usage_pb2 import Usage

_CLOSE = Close()


class Continuation:
    """See `AnswerWriter`. The `marker` is told in place of the begin, `spent` is added to what this one used. Its first text goes on in
    the one that is open; what it thinks is left out, unless nothing was said before."""

    def __init__(self, told: Told, marker: bytes, spent: Usage | None) -> None:
        self._told = told
        self._tell = told.tell
        self._marker = marker
        self._spent = spent
        self._seam = Seam(told.words)
        self._is_first = not told.has_parts
        self._is_left_out = False  # the part that is open here
        self._has_counted = False

    def write(self, step: Step) -> Iterable[bytes]:
        """See `AnswerWriter.write`."""
        return list(_STEPS[type(step)](self, step))

    def _start(self, _: Start) -> Iterable[bytes]:
        yield self._marker

    def _open_text(self, step: OpenText) -> Iterable[bytes]:
        if step.is_refusal:
            yield from self._leave()
        if self._told.open is None:
            yield from self._tell(step)

    def _open_thinking(self, step: OpenThinking) -> Iterable[bytes]:
        self._is_left_out = not self._is_first
        if self._is_first:
            yield from self._tell(step)

    def _open_call(self, step: OpenCall) -> Iterable[bytes]:
        yield from self._leave()
        yield from self._tell(step)

    def _grow(self, step: Grow) -> Iterable[bytes]:
        if self._is_left_out:
            return
        pieces = self._seam.join(step) if isinstance(self._told.open, OpenText) else [step]
        for piece in pieces:
            yield from self._tell(piece)

    def _cite(self, step: Cite) -> Iterable[bytes]:
        yield from self._end_seam()
        yield from self._tell(step)

    def _close(self, step: Close) -> Iterable[bytes]:
        if self._is_left_out:
            self._is_left_out = False
            return
        yield from self._end_seam()
        yield from self._tell(step)

    def _count(self, step: Count) -> Iterable[bytes]:
        self._has_counted = True
        yield from self._tell(Count(add_up(step.usage, self._spent)))

    def _stop(self, step: Stop) -> Iterable[bytes]:
        """The text that broke off is still open where nothing came of this answer."""
        yield from self._leave()
        yield from self._tell(step)

    def _end(self, step: End) -> Iterable[bytes]:
        if self._spent is not None and not self._has_counted:
            yield from self._tell(Count(self._spent))
        yield from self._tell(step)

    def _leave(self) -> Iterable[bytes]:
        """Ends what is open."""
        yield from self._end_seam()
        if self._told.open is not None:
            yield from self._tell(_CLOSE)

    def _end_seam(self) -> Iterable[bytes]:
        for piece in self._seam.end():
            yield from self._tell(piece)


_STEPS: Mapping[type[Step], Callable[[Continuation, Any], Iterable[bytes]]] = {
    Start: Continuation._start,  # noqa: SLF001  the machine's own steps
    OpenText: Continuation._open_text,  # noqa: SLF001
    OpenThinking: Continuation._open_thinking,  # noqa: SLF001
    OpenCall: Continuation._open_call,  # noqa: SLF001
    Grow: Continuation._grow,  # noqa: SLF001
    Cite: Continuation._cite,  # noqa: SLF001
    Close: Continuation._close,  # noqa: SLF001
    Count: Continuation._count,  # noqa: SLF001
    Stop: Continuation._stop,  # noqa: SLF001
    End: Continuation._end,  # noqa: SLF001
}
