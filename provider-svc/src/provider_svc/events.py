"""A call's steps as the protobuf events that subscribers read.

Messages are filled where they stand: to build the inner one first and pass it on would copy it.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

from google.protobuf.duration_pb2 import Duration
from google.protobuf.internal.containers import RepeatedCompositeFieldContainer

from chassis.errors import RunestoneError, to_message
from provider_svc.attempts.attempt import Attempt
from provider_svc.pricing.bill import NOTHING, Owed
from provider_svc.ring import Slice
from runestone.common.v1.attempt_pb2 import Attempt as AttemptMessage
from runestone.provider.v1.provider_pb2 import CallEvent, Failed


def accepted(attempt: Attempt, attempts: Sequence[Attempt]) -> CallEvent:
    """A target took the call with one of the upstream calls that were made for it."""
    event, begun, bill = CallEvent(), attempt.begun, attempt.bill
    assert begun is not None, "it is accepted when it has begun"
    step = event.accepted
    step.provider, step.model, step.attempt = attempt.provider, attempt.model, _count(attempts)
    step.route, step.why = attempt.route, attempt.why
    step.upstream_status, step.upstream_request_id = begun.upstream_status, begun.upstream_request_id
    if bill is not None and bill.is_stream and bill.rates is not None:
        step.rates.CopyFrom(bill.rates)
    if len(attempts) > 1:
        _write_attempts(step.failed_attempts, (one for one in attempts if one.reason is not None))
    step.content_type = begun.content_type
    step.dropped.extend(begun.dropped)
    step.translated = begun.is_translated
    return event


def coalesced(accepted: CallEvent) -> CallEvent:
    """The same, as those read it who share the call."""
    event = CallEvent()
    event.CopyFrom(accepted)
    event.accepted.coalesced = True
    return event


def write_data(event: CallEvent, events: Slice) -> None:
    """Makes `event` bytes for the client."""
    step = event.data
    step.body, step.first_seq = events.body, events.first_seq
    step.ends.extend(events.ends)


class Whole(Protocol):
    """What is told of a whole answer: a flight."""

    @property
    def attempts(self) -> Sequence[Attempt]:
        """All upstream calls that were made for it."""

    @property
    def broken(self) -> Sequence[Attempt]:
        """Those of them that brought a part and broke off."""

    @property
    def answering(self) -> Attempt | None:
        """The one that brought the rest; None where nothing had to be brought."""

    def add_up(self) -> Owed:
        """What all parts came to."""


def completed(flight: Whole, started: float, now: float) -> CallEvent:
    """The answer is whole. Times are those of one clock, in seconds."""
    event, attempt, owed = CallEvent(), flight.answering or flight.attempts[-1], flight.add_up()
    step, first = event.completed, next(iter(flight.broken), attempt)
    step.finish_reason, step.attempt = attempt.call.meter.finish_reason, _count(flight.attempts)
    if owed.usage is not None:
        step.usage.CopyFrom(owed.usage)
    if owed.cost is not None:
        step.cost.CopyFrom(owed.cost)
    _write(step.time_to_first_byte, max(0.0, first.started + first.first_byte - started))
    _write(step.duration, now - started)
    if flight.broken:
        _write_attempts(step.parts, [*flight.broken, attempt])
    return event


def for_keeper(completed: CallEvent) -> CallEvent:
    """The same, as it is told to the one who is to have the answer kept."""
    event = CallEvent()
    event.CopyFrom(completed)
    event.completed.keeper = True
    return event


def failed(error: RunestoneError, attempts: Sequence[Attempt], *, last_seq: int, owed: Owed = NOTHING) -> CallEvent:
    """The answer is not whole and ends here, with what is `owed` all the same, behind the upstream calls that were made."""
    step = Failed(error=to_message(error), last_seq=last_seq, attempt=_count(attempts))
    if attempts:
        last = attempts[-1]
        step.provider, step.model, step.route = last.provider, last.model, last.route
        _write_attempts(step.failed_attempts, attempts)
    if owed.usage is not None:
        step.usage.CopyFrom(owed.usage)
    if owed.cost is not None:
        step.cost.CopyFrom(owed.cost)
    return CallEvent(failed=step)


def _count(attempts: Sequence[Attempt]) -> int:
    """Those that a provider heard of."""
    return sum(attempt.is_sent for attempt in attempts)


def _write_attempts(field: "RepeatedCompositeFieldContainer[AttemptMessage]", attempts: Iterable[Attempt]) -> None:
    for attempt in attempts:
        attempt.write(field.add())


def _write(field: Duration, seconds: float) -> None:
    field.seconds = int(seconds)
    field.nanos = int((seconds - field.seconds) * 1e9)
