"""A stream that runs is paused, goes on, or ends."""

from typing import Protocol

import orjson

from chassis.errors import Reason, RunestoneError
from gateway_edge.call import Call
from gateway_edge.endpoints.streams import CONTROLS, read_control
from gateway_edge.middleware.base import Proceed
from gateway_edge.streams.control import Action
from gateway_edge.streams.note import StreamNote
from gateway_edge.streams.notes import StreamNotes, no_stream
from runestone.provider.v1.provider_pb2 import ControlResponse


class Steering(Protocol):
    """What it needs of `Streams`."""

    notes: StreamNotes

    async def steer(
        self, tenant: str, stream_id: str, note: StreamNote, action: Action, *, pause_window: float
    ) -> ControlResponse:
        """Does it."""


class ControlStream:
    """Does to a stream what the path says, for whoever of its tenant may use its model."""

    name = "control_stream"

    def __init__(self, streams: Steering) -> None:
        self._streams = streams

    async def __call__(self, call: Call, proceed: Proceed) -> None:  # noqa: ARG002  it answers
        """Says how the stream stands. Raises NOT_FOUND as reading does, UNAVAILABLE when nobody can say."""
        if call.principal is None:
            raise RunestoneError(Reason.AUTHENTICATION_FAILED, "you did not provide an API key; streams have owners")
        stream_id, word = read_control(call.arrival.endpoint)
        note = await self._streams.notes.find(call.principal.tenant, stream_id)
        if not call.principal.scope.allows_model(note.model):
            raise no_stream(stream_id)
        window = call.settings.edge.websocket.pause_window
        done = await self._streams.steer(call.principal.tenant, stream_id, note, CONTROLS[word], pause_window=window)
        call.outcome.is_complete = True
        await call.reply.send(
            orjson.dumps({"object": "stream", "id": stream_id, "last_event": done.last_seq, "paused": done.paused})
        )
