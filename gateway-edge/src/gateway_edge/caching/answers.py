"""An answer that passed, as cache-svc keeps it: written where it is sent from, as nothing is copied then. Pure."""

from bisect import bisect_left

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from chassis.errors import RunestoneError, to_message
from gateway_edge.caching.forms import find_ends
from gateway_edge.call import Call
from gateway_edge.recording import Recording
from runestone.cache.v1.cache_pb2 import Answer, StoreRequest

EVENTS = "text/event-stream"


def write_answer(answer: Answer, call: Call, recording: Recording, *, is_paced: bool) -> None:
    """A whole answer: its bytes, of a stream also where its events end and, when it is to be replayed at its pace, when they came."""
    _write_source(answer, call)
    answer.body, answer.content_type = recording.body, recording.content_type
    if call.outcome.usage is not None:
        answer.usage.CopyFrom(call.outcome.usage)
    if call.outcome.cost is not None:
        answer.cost.CopyFrom(call.outcome.cost)
    answer.finish_reason = call.outcome.finish_reason
    answer.dropped.extend(call.outcome.dropped)
    if recording.content_type == EVENTS:
        answer.ends.extend(find_ends(answer.body))
        if is_paced:
            _write_offsets(answer, recording)


def write_refusal(answer: Answer, call: Call, error: RunestoneError) -> None:
    """What the provider refused."""
    _write_source(answer, call)
    answer.error.CopyFrom(to_message(error))


def write_lifetime(request: StoreRequest, *, now: float, ttl: float, stale_for: float) -> None:
    """For how long it is kept: `now` in seconds since the epoch, spans in seconds."""
    answer = request.answer
    _write_time(answer.stored_at, now)
    for span, seconds in ((answer.fresh_for, ttl), (answer.stale_for, stale_for)):
        _write_time(span, seconds)
    _write_time(request.ttl, ttl)
    if stale_for:
        _write_time(request.stale_for, stale_for)


def _write_source(answer: Answer, call: Call) -> None:
    answer.provider, answer.model = call.outcome.provider, call.outcome.provider_model
    answer.request_id = call.id


def _write_time(field: Duration | Timestamp, seconds: float) -> None:
    field.seconds = whole = int(seconds)
    field.nanos = int((seconds - whole) * 1e9)


def _write_offsets(answer: Answer, recording: Recording) -> None:
    """Every event came with the part that it ends in."""
    reached, borders = 0, []
    for part in recording.parts:
        reached += len(part)
        borders.append(reached)
    first = recording.moments[0]
    for end in answer.ends:
        moment = recording.moments[bisect_left(borders, end)]
        answer.offsets.add().FromMicroseconds(int((moment - first) * 1e6))
