"""A call's steps as the protobuf events that subscribers read.

Messages are filled where they stand: to build the inner one first and pass it on would copy it.
"""

from google.protobuf.duration_pb2 import Duration

from chassis.errors import RunestoneError, to_message
from provider_svc.pricing.bill import NOTHING, Owed
from provider_svc.provider import Begun, Meter
from provider_svc.ring import Slice
from runestone.common.v1.cost_pb2 import Rates
from runestone.provider.v1.provider_pb2 import CallEvent, Failed


def accepted(provider: str, model: str, begun: Begun, *, attempt: int, rates: Rates | None = None) -> CallEvent:
    """A target took the call with the `attempt`-th upstream call that was made for it, at these `rates`."""
    event = CallEvent()
    step = event.accepted
    step.provider, step.model, step.attempt = provider, model, attempt
    step.upstream_status, step.upstream_request_id = begun.upstream_status, begun.upstream_request_id
    if rates is not None:
        step.rates.CopyFrom(rates)
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


def completed(meter: Meter, *, first_byte: float, duration: float, owed: Owed = NOTHING) -> CallEvent:
    """The answer is whole. Times are in seconds from the call's begin."""
    event = CallEvent()
    step = event.completed
    step.SetInParent()
    step.finish_reason = meter.finish_reason
    if meter.usage is not None:
        step.usage.CopyFrom(meter.usage)
    if owed.cost is not None:
        step.cost.CopyFrom(owed.cost)
    _write(step.time_to_first_byte, first_byte)
    _write(step.duration, duration)
    return event


def for_keeper(completed: CallEvent) -> CallEvent:
    """The same, as it is told to the one who is to have the answer kept."""
    event = CallEvent()
    event.CopyFrom(completed)
    event.completed.keeper = True
    return event


def failed(
    error: RunestoneError, provider: str, model: str, *, attempt: int, last_seq: int, owed: Owed = NOTHING
) -> CallEvent:
    """The answer of `model` is not whole and ends here, with what is `owed` all the same."""
    step = Failed(error=to_message(error), last_seq=last_seq, provider=provider, model=model, attempt=attempt)
    if owed.usage is not None:
        step.usage.CopyFrom(owed.usage)
    if owed.cost is not None:
        step.cost.CopyFrom(owed.cost)
    return CallEvent(failed=step)


def _write(field: Duration, seconds: float) -> None:
    field.seconds = int(seconds)
    field.nanos = int((seconds - field.seconds) * 1e9)
