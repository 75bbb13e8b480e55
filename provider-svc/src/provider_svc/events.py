"""A call's steps as the protobuf events that subscribers read."""

from chassis.errors import RunestoneError, to_message
from provider_svc.provider import Begun, Meter
from provider_svc.ring import Slice
from runestone.common.v1.usage_pb2 import Usage
from runestone.provider.v1.provider_pb2 import Accepted, CallEvent, Completed, Data, Failed


def accepted(provider: str, model: str, begun: Begun) -> CallEvent:
    """A target took the call."""
    return CallEvent(
        accepted=Accepted(
            provider=provider,
            model=model,
            attempt=1,
            upstream_status=begun.upstream_status,
            upstream_request_id=begun.upstream_request_id,
        )
    )


def data(events: Slice) -> CallEvent:
    """Bytes for the client."""
    return CallEvent(data=Data(body=events.body, first_seq=events.first_seq, ends=events.ends))


def completed(meter: Meter, *, first_byte: float, duration: float) -> CallEvent:
    """The answer is whole. Times are in seconds from the call's begin."""
    message = Completed(usage=meter.usage, finish_reason=meter.finish_reason)
    message.time_to_first_byte.FromNanoseconds(int(first_byte * 1e9))
    message.duration.FromNanoseconds(int(duration * 1e9))
    return CallEvent(completed=message)


def failed(error: RunestoneError, provider: str, model: str, *, last_seq: int, usage: Usage | None) -> CallEvent:
    """The answer of `model` is not whole and ends here."""
    message = Failed(error=to_message(error), last_seq=last_seq, usage=usage, provider=provider, model=model, attempt=1)
    return CallEvent(failed=message)
