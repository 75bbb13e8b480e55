"""Steering a stream from any edge: pausing it, going on, ending it."""

import asyncio
import random
from collections.abc import Callable
from typing import TypeAlias

from chassis.context import CallContext, bind, current
from chassis.errors import Reason, RunestoneError
from gateway_edge.call import Call
from gateway_edge.streams.gates import Gates
from gateway_edge.streams.note import StreamNote
from gateway_edge.streams.notes import StreamNotes, no_stream
from gateway_edge.streams.replicas import FlightReplicas
from runestone.provider.v1.provider_pb2 import ControlRequest, ControlResponse

Action: TypeAlias = "ControlRequest.Action.ValueType"
EndWhere = Callable[[Callable[[Call], bool], RunestoneError], None]
MayUse = Callable[[str], bool]

TRIES = 3  # of telling provider-svc something that nobody waits for
PAUSE = 0.5  # seconds between them
# Seconds for which a pause holds back here: until provider-svc, which is paused itself then, has nothing on its way any more. No longer, for
# who goes on with the stream may say so to another edge.
HOLD = 2.0


def anything(_model: str) -> bool:
    """Any model may be used."""
    return True


class Streams:
    """All streams, whichever edge began them. What is read in this process is held back, or ended, at once: what provider-svc has sent
    already is on its way."""

    def __init__(self, notes: StreamNotes, flights: FlightReplicas, gates: Gates, end_where: EndWhere) -> None:
        self.notes = notes
        self.gates = gates
        self._flights = flights
        self._end_where = end_where

    async def control(
        self, tenant: str, stream_id: str, action: Action, *, pause_window: float, may_use: MayUse = anything
    ) -> ControlResponse:
        """Pauses, resumes or cancels the tenant's stream for everybody who reads it, wherever; a pause lasts `pause_window` seconds at the
        most, then the stream ends. Repeating an action is harmless. `may_use` says of which models it may be.

        Raises NOT_FOUND for a stream that is unknown, over and forgotten, another tenant's, or of another model; UNAVAILABLE when nobody can
        say."""
        note = await self.notes.find(tenant, stream_id)
        if not may_use(note.model):
            raise no_stream(stream_id)
        return await self.steer(tenant, stream_id, note, action, pause_window=pause_window)

    async def steer(
        self, tenant: str, stream_id: str, note: StreamNote, action: Action, *, pause_window: float
    ) -> ControlResponse:
        """The same for a stream whose note is known."""
        self._hold(stream_id, action, pause_window if note.kept else min(pause_window, HOLD))
        if note.kept:  # nobody reads it from anywhere: it is sent by whoever has a reader
            self._end_kept(stream_id, action)
            return ControlResponse(paused=action == ControlRequest.ACTION_PAUSE)
        request = ControlRequest(call_id=stream_id, tenant=tenant, action=action)
        try:
            return await self._flights.control(request, note.routed_by)
        except RunestoneError:
            self._hold(stream_id, ControlRequest.ACTION_RESUME, 0)
            raise

    async def tell(self, call: Call, action: Action) -> None:
        """Tells the one who reads the stream that `call` began, so that it is heard, as far as that can be; a stream that is unknown there
        has nothing to hear. Nobody waits for it: it takes its time."""
        bind(CallContext(current().trace))
        request = ControlRequest(call_id=call.id, tenant=call.caller.tenant, action=action)
        for _ in range(TRIES):
            try:
                await self._flights.control(request, call.coalesce_key)
            except RunestoneError as error:
                if error.reason is Reason.NOT_FOUND:
                    return
            else:
                return
            await asyncio.sleep(PAUSE * random.uniform(0.5, 1.5))  # noqa: S311  jitter, not secrecy

    def _hold(self, stream_id: str, action: Action, seconds: float) -> None:
        gate = self.gates.find(stream_id)
        if gate is None:
            return
        if action == ControlRequest.ACTION_PAUSE:
            gate.shut(seconds)
        else:
            gate.open()

    def _end_kept(self, stream_id: str, action: Action) -> None:
        if action == ControlRequest.ACTION_CANCEL:
            error = RunestoneError(Reason.CANCELLED, "the stream was cancelled on request")
            self._end_where(lambda call: _reads(call, stream_id), error)


def _reads(call: Call, stream_id: str) -> bool:
    return call.id == stream_id or (call.followed is not None and call.followed.stream_id == stream_id)
