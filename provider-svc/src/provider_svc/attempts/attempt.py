"""One upstream call of a flight: whom it asks, why, and what became of it."""

from chassis.billing.estimate import Passed
from chassis.context import TraceContext
from chassis.errors import Reason, RunestoneError
from provider_svc.attempts.stop import Stop
from provider_svc.pricing.bill import NOTHING, Bill, Owed
from provider_svc.provider import Begun, Chunk, UpstreamCall
from runestone.common.v1.attempt_pb2 import Attempt as AttemptMessage


class Attempt:
    """The `number`-th upstream call of a flight. `started` and `ended` are `Clock.monotonic` times, `first_byte` and `first_chunk` are in seconds behind the
    first, 0 before there is one; of one that is sampled `trace` is its span's, and `head` what came first; `reason` is why it failed, `failure` what is known of that when its target said it; one that no
    provider was asked, for want of a key or of room, was not sent (`is_sent`); `owed` what it came to when it is over."""

    __slots__ = (
        "begun",
        "bill",
        "call",
        "ended",
        "failure",
        "first_byte",
        "first_chunk",
        "head",
        "is_sent",
        "number",
        "owed",
        "reason",
        "route",
        "started",
        "stop",
        "trace",
        "why",
    )

    def __init__(self, stop: Stop, call: UpstreamCall, *, route: str, why: str, started: float, number: int) -> None:
        self.stop = stop
        self.call = call
        self.route = route
        self.why = why
        self.started = started
        self.number = number
        self.bill = Bill(call, stop.seat.prices) if call.kept is None else None
        self.begun: Begun | None = None
        self.ended = self.first_byte = self.first_chunk = 0.0
        self.trace: TraceContext | None = None
        self.head: Chunk | None = None
        self.reason: Reason | None = None
        self.failure: RunestoneError | None = None
        self.is_sent = True
        self.owed = NOTHING

    @property
    def provider(self) -> str:
        """The provider's name in the configuration."""
        return self.stop.target.provider

    @property
    def model(self) -> str:
        """The provider's name for the model."""
        return self.stop.target.model

    def estimate(self, passed: Passed) -> Owed:
        """What it has come to so far, when `passed` is what came of it: nothing before its answer has begun."""
        return self.bill.estimate(passed) if self.bill is not None and self.begun is not None else NOTHING

    def give_up(self) -> None:
        """It is not made after all."""
        self.ended, self.reason = self.started, Reason.CANCELLED

    def write(self, message: AttemptMessage) -> None:
        """Fills in what is told of it."""
        message.provider, message.model, message.why = self.provider, self.model, self.why
        if self.reason is not None:
            message.reason = self.reason.number
        if self.ended:
            message.duration.FromMicroseconds(int((self.ended - self.started) * 1e6))

    def __repr__(self) -> str:
        state = self.reason or ("answered" if self.ended else "running")
        return f"Attempt({self.number}, {self.provider}/{self.model}, {self.why}, {state})"
