"""How any edge finds a stream: a note that is kept before its first event is sent."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from chassis.context import CallContext, bind, current
from chassis.errors import Reason, RunestoneError
from gateway_edge.call import Call
from gateway_edge.stored.notes import Notes
from gateway_edge.streams.note import StreamNote, is_stream_id, name_note, read_note, write_note

Start = Callable[[Coroutine[Any, Any, bool]], "asyncio.Task[bool]"]

UNAVAILABLE = RunestoneError(
    Reason.UNAVAILABLE,
    "whose this stream is cannot be told right now; try again",
    retry_after=1.0,
    code="streams_unavailable",
)


class StreamNotes:
    """The notes of all streams. `start` owns the tasks that keep them."""

    def __init__(self, notes: Notes, start: Start) -> None:
        self._notes = notes
        self._start = start

    def keep(self, call: Call, note: StreamNote) -> "asyncio.Task[bool]":
        """Begins to keep what others have to know of the stream that `call` begins, for as long as it may be read; whether that worked is the
        task's result, at most a quarter of a second later. Leaving does not stop it."""
        ttl = call.arrival.timeout + call.settings.edge.websocket.resume_window
        return self._start(self._keep(call.caller.tenant, name_note(call.id), write_note(note), ttl))

    async def find(self, tenant: str, stream_id: str) -> StreamNote:
        """What is known of the tenant's stream. Raises NOT_FOUND for one that is unknown, over and forgotten, or another tenant's;
        UNAVAILABLE when nobody can say."""
        note = await self._notes.find(tenant, name_note(stream_id)) if is_stream_id(stream_id) else None
        self._notes.count("unknown" if note is None else "found")
        found = None if note is None else read_note(note)
        if found is None:
            raise no_stream(stream_id)
        return found

    async def _keep(self, tenant: str, key: str, note: bytes, ttl: float) -> bool:
        bind(CallContext(current().trace))  # whose deadline may have been why it ended
        return await self._notes.keep(tenant, key, note, ttl)


def describe_stream(call: Call) -> StreamNote:
    """The note of the stream that `call` begins, as far as is known of it now."""
    kept, question = call.kept, call.asked
    return StreamNote(
        path=question.endpoint.path,
        model=question.view.model,
        route=call.outcome.route or question.route.name,
        key=call.caller.key,
        pipeline=call.pipeline,
        version=call.pipeline_version,
        is_changing=call.changes_answers,
        routed_by=call.coalesce_key,
        kept=kept.key if kept else b"",
        kept_for=kept.tenant if kept else "",
        kept_id=kept.request_id if kept else "",
        wants_usage=question.view.wants_usage,
        traceparent=call.trace.traceparent,
    )


def no_stream(stream_id: str) -> RunestoneError:
    """The same words whatever the reason."""
    message = f"there is no stream {stream_id[:128]!r}, or it is over and forgotten"
    return RunestoneError(Reason.NOT_FOUND, message, param="id", code="stream_not_found")
