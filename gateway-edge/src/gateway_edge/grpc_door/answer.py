"""From what HTTP would say to the messages of an answer. Pure."""

from collections.abc import Iterator, Mapping

from chassis.errors import RunestoneError, to_message
from chassis.sse import find_ends
from gateway_edge.call import Outcome
from gateway_edge.door.intake import STREAM_HEADER
from runestone.gateway.v1.gateway_pb2 import Accepted, CallResponse, Completed, Data, Failed

PART = 1 << 20  # bytes of a document in one message: what any client's own bound lets in


def write_accepted(headers: Mapping[str, str], content_type: str) -> CallResponse:
    """The first message of an answer."""
    accepted = Accepted(
        call_id=headers.get("x-request-id", ""),
        stream_id=headers.get(STREAM_HEADER, ""),
        provider=headers.get("x-runestone-provider", ""),
        model=headers.get("x-runestone-model", ""),
        cache=headers.get("x-cache", ""),
        content_type=content_type,
        headers={**headers, "content-type": content_type},
    )
    return CallResponse(accepted=accepted)


def write_events(events: bytes, first_seq: int) -> Data:
    """Whole events, the first of which has the number `first_seq`."""
    return Data(body=events, first_seq=first_seq, ends=find_ends(events))


def write_parts(body: bytes) -> Iterator[CallResponse]:
    """A document, or a part of one, in as many messages as it takes."""
    for start in range(0, len(body), PART):
        yield CallResponse(data=Data(body=body[start : start + PART]))


def write_completed(outcome: Outcome) -> CallResponse:
    """The end of a whole answer."""
    completed = Completed(usage=outcome.usage, cost=outcome.cost, finish_reason=outcome.finish_reason)
    return CallResponse(completed=completed)


def write_failed(error: RunestoneError, last_seq: int) -> CallResponse:
    """The end of an answer that is not whole."""
    return CallResponse(failed=Failed(error=to_message(error), last_seq=last_seq))
