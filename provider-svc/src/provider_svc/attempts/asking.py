"""What the wrappers around an upstream call have in common, and where their answer goes."""

from typing import Protocol

from chassis.billing.estimate import Passed
from chassis.context import TraceContext
from chassis.errors import RunestoneError
from provider_svc.attempts.attempt import Attempt
from provider_svc.attempts.journey import Journey
from provider_svc.provider import Chunk


class Landing(Protocol):
    """Where the answer of a journey goes: a flight, or what stands before one."""

    @property
    def has_begun(self) -> bool:
        """Whether a part of an answer is the client's already, so that no other can take its place."""

    @property
    def deadline(self) -> float:
        """The `Clock.monotonic` time from which on nobody waits any more."""

    @property
    def stopped_by(self) -> RunestoneError | None:
        """Why the whole call was stopped, when it was."""

    def note_trace(self, trace: TraceContext) -> None:
        """The span of the upstream call that runs."""

    def accept(self, attempt: Attempt) -> None:
        """An answer has begun. Until a chunk has come another may take its place; behind one the next goes on with what broke off."""

    def add(self, chunk: Chunk) -> None:
        """The next events have come, of the answer that was accepted last."""

    def measure(self) -> Passed:
        """What has come."""

    def has_room(self) -> bool:
        """See `Sink`."""

    async def wait_for_room(self) -> None:
        """See `Sink`."""


class Passing:
    """What stands before a landing; what it does not say otherwise is that one's."""

    def __init__(self, landing: Landing) -> None:
        self._landing = landing

    @property
    def deadline(self) -> float:
        """From when on nobody waits."""
        return self._landing.deadline

    @property
    def stopped_by(self) -> RunestoneError | None:
        """Why the whole call was stopped."""
        return self._landing.stopped_by

    def note_trace(self, trace: TraceContext) -> None:
        """The span of the upstream call that began last."""
        self._landing.note_trace(trace)


class Asking(Protocol):
    """Finds the answer of a call, or says why there is none."""

    async def ask(self, journey: Journey, landing: Landing) -> None:
        """Brings a whole answer. Raises RunestoneError when there is none, or only a part; what was brought stays delivered.
        Cancelling closes every upstream socket before it passes on."""


async def find_failure(asking: Asking, journey: Journey, landing: Landing) -> RunestoneError | None:
    """What kept `asking` from a whole answer; None when it brought one. Nothing else is caught."""
    try:
        await asking.ask(journey, landing)
    except RunestoneError as failure:
        return failure
    return None
