"""How a stream in a room ended, as its readers are told, and those who come later. Pure but for waiting on who cancelled it."""

import asyncio
import contextlib

from chassis.errors import Reason, RunestoneError
from gateway_edge.call import Outcome
from gateway_edge.channels.telling import write_complete, write_failed, write_stream
from gateway_edge.rooms.generation import Generation
from gateway_edge.rooms.said import CANCELLED

LAST_WORD = 2.0  # seconds that the room has to say who cancelled a stream

GIVEN_UP = RunestoneError(Reason.CANCELLED, "the stream was cancelled")
CUT_OFF = Outcome(error=GIVEN_UP)


async def tell_end(generation: Generation, outcome: Outcome, *, is_shared: bool) -> None:
    """Tells those who read it here. `is_shared`: another call pays for it."""
    error, stream_id = outcome.error, generation.stream_id
    if error is None:
        generation.end("stream:complete", write_complete(stream_id, generation.last, outcome, is_shared=is_shared))
    elif error.reason is not Reason.CANCELLED:
        generation.end("stream:error", write_failed(stream_id, error))
    else:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(generation.over.wait(), LAST_WORD)
        generation.end(CANCELLED, write_stream(stream_id))


def describe_end(stream_id: str, outcome: Outcome) -> dict[str, object]:
    """For the room's history."""
    error = outcome.error
    if error is None:
        return {"stream_id": stream_id, "status": "complete", "finish_reason": outcome.finish_reason}
    return {"stream_id": stream_id, "status": "cancelled" if error.reason is Reason.CANCELLED else "error"}
