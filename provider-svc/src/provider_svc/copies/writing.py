"""From what a subscription reads of a call to what is appended to its copy. Pure."""

from google.protobuf.duration_pb2 import Duration

from runestone.common.v1.error_pb2 import ERROR_REASON_EVENTS_LOST
from runestone.provider.v1.provider_pb2 import AttachResponse
from runestone.stream.v1.stream_pb2 import AppendRequest


def write_append(response: AttachResponse, tenant: str, call_id: str, next_seq: int) -> AppendRequest:
    """The head is `Accepted`, the end the event that says it, both as they are told to subscribers; how long it is kept is to be
    written by the caller. `next_seq` is the number that the next event has."""
    request = AppendRequest(tenant=tenant, stream_id=call_id, first_seq=next_seq)
    for event in response.events:
        match event.WhichOneof("event"):
            case "accepted":
                request.head = event.accepted.SerializeToString()
            case "data":
                request.body, request.first_seq = event.data.body, event.data.first_seq
                request.ends.extend(event.data.ends)
            case _:
                request.end = event.SerializeToString()
    return request


def is_lost(response: AttachResponse) -> bool:
    """Whether this is no end of the call, but of one who fell too far behind."""
    return response.events[-1].failed.error.reason == ERROR_REASON_EVENTS_LOST


def write_ttl(seconds: float) -> Duration:
    """At least a second: a copy that is over in the same moment would be none."""
    ttl = Duration()
    ttl.FromMilliseconds(int(max(seconds, 1.0) * 1e3))
    return ttl
