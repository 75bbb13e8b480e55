"""A call's steps as the protobuf events that subscribers read.

Messages are filled where they stand: to build the inner one first and pass it on would copy it.
"""

from google.protobuf.duration_pb2 import Duration

from chassis.errors import RunestoneError, to_message
from provider_svc.provider import Begun, Meter
from provider_svc.ring import Slice
from runestone.common.v1.usage_pb2 import Usage
from runestone.provider.v1.provider_pb2 import CallEvent, Failed


def accepted(provider: str, model: str, begun: Begun, *, attempt: int) -> CallEvent:
    """A target took the call with the `attempt`-th upstream call that was made for it."""
    event = CallEvent()
    step = event.accepted
    step.provider, step.model, step.attempt = provider, model, attempt
    step.upstream_status, step.upstream_request_id = begun.upstream_status, begun.upstream_request_id
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


def completed(meter: Meter, *, first_byte: float, duration: float) -> CallEvent:
    """The answer is whole. Times are in seconds from the call's begin."""
    event = CallEvent()
    step = event.completed
    step.SetInParent()
    step.finish_reason = meter.finish_reason
    if meter.usage is not None:
        step.usage.CopyFrom(meter.usage)
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
    error: RunestoneError, provider: str, model: str, *, attempt: int, last_seq: int, usage: Usage | None = None
) -> CallEvent:
    """The answer of `model` is not whole and ends here."""
    said = to_message(error)
    return CallEvent(
        failed=Failed(error=said, last_seq=last_seq, usage=usage, provider=provider, model=model, attempt=attempt)
    )


def _write(field: Duration, seconds: float) -> None:
    field.seconds = int(seconds)
    field.nanos = int((seconds - field.seconds) * 1e9)
