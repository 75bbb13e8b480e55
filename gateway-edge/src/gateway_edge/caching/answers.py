"""An answer that passed, as cache-svc keeps it. Pure."""

from bisect import bisect_left

from chassis.errors import RunestoneError, to_message
from gateway_edge.caching.forms import find_ends
from gateway_edge.call import Call
from gateway_edge.recording import Recording
from runestone.cache.v1.cache_pb2 import Answer, Labels, StoreRequest

EVENTS = "text/event-stream"


def describe(call: Call, recording: Recording, *, is_paced: bool) -> Answer:
    """A whole answer: its bytes, of a stream also where its events end and, when it is to be replayed at its pace, when they came."""
    outcome = call.outcome
    answer = Answer(
        body=recording.body,
        content_type=recording.content_type,
        provider=outcome.provider,
        model=outcome.provider_model,
        usage=outcome.usage,
        finish_reason=outcome.finish_reason,
        request_id=call.id,
    )
    if recording.content_type == EVENTS:
        answer.ends.extend(find_ends(answer.body))
        if is_paced:
            _write_offsets(answer, recording)
    return answer


def describe_refusal(call: Call, error: RunestoneError) -> Answer:
    """What the provider refused."""
    return Answer(
        provider=call.outcome.provider,
        model=call.outcome.provider_model,
        error=to_message(error),
        request_id=call.id,
    )


def make_request(
    key: bytes, answer: Answer, labels: Labels, *, now: float, ttl: float, stale_for: float, replaces: bool
) -> StoreRequest:
    """What cache-svc is asked to keep; `now` in seconds since the epoch, spans in seconds."""
    answer.labels.CopyFrom(labels)
    answer.stored_at.FromMicroseconds(int(now * 1e6))
    answer.fresh_for.FromMicroseconds(int(ttl * 1e6))
    answer.stale_for.FromMicroseconds(int(stale_for * 1e6))
    request = StoreRequest(fingerprint=key, answer=answer, replaces=replaces)
    request.ttl.CopyFrom(answer.fresh_for)
    request.stale_for.CopyFrom(answer.stale_for)
    return request


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
