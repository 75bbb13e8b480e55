"""A stream that came out of the cache: there it is read on."""

from chassis.errors import Reason, RunestoneError
from gateway_edge.caching.forms import Form, Shown, find_ends
from gateway_edge.caching.shelf import Found
from gateway_edge.call import Call, Followed
from runestone.cache.v1.cache_pb2 import Answer
from runestone.provider.v1.provider_pb2 import Accepted, AttachResponse, CallEvent, Completed, Data


def show_kept(call: Call, followed: Followed, found: Found) -> AttachResponse:
    """All events behind `after_seq` of a kept answer, as `Attach` would give them. Raises EVENTS_LOST where the answer is no longer the one
    that the stream came of, UNAVAILABLE when nobody can say, INVALID_REQUEST for a place behind its end."""
    if found.is_down:
        raise RunestoneError(Reason.UNAVAILABLE, "the cache cannot be asked right now; try again", retry_after=1.0)
    note = followed.note
    form = Form(is_stream=True, wants_usage=note.wants_usage, dialect=call.asked.endpoint.dialect)
    is_same = found.copy is not None and found.copy.answer.request_id == note.kept_id
    shown = found.copy.show(form) if found.copy is not None and is_same else None
    if shown is None or found.copy is None:
        message = "the answer that this stream came of is no longer kept; ask again"
        raise RunestoneError(Reason.EVENTS_LOST, message)
    return _write(found.copy.answer, shown, followed.after_seq)


def _write(answer: Answer, shown: Shown, after_seq: int) -> AttachResponse:
    ends = list(shown.ends) or find_ends(shown.body)
    if after_seq > len(ends):
        message = f"the stream ends with event {len(ends)}; you have said that you have event {after_seq}"
        raise RunestoneError(Reason.INVALID_REQUEST, message, param="starting_after")
    start = ends[after_seq - 1] if after_seq else 0
    response = AttachResponse(events=[CallEvent(accepted=Accepted(provider=answer.provider, model=answer.model))])
    if after_seq < len(ends):
        data = Data(body=shown.body[start:], first_seq=after_seq + 1, ends=[end - start for end in ends[after_seq:]])
        response.events.append(CallEvent(data=data))
    completed = Completed(finish_reason=answer.finish_reason)
    if answer.HasField("usage"):
        completed.usage.CopyFrom(answer.usage)
    if answer.HasField("cost"):
        completed.cost.CopyFrom(answer.cost)
    response.events.append(CallEvent(completed=completed))
    return response
