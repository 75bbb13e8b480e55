"""Reads a stream for a room: as the one who asked, or on from an event, wherever it runs."""

import asyncio
import dataclasses
import random
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from chassis.clock import Clock
from chassis.errors import Reason, RunestoneError
from gateway_edge.call import Outcome
from gateway_edge.callers.session import Session
from gateway_edge.channels.numbering import Numbered
from gateway_edge.channels.replies import StreamReply
from gateway_edge.channels.streams import Calls
from gateway_edge.endpoints.streams import STREAM
from gateway_edge.endpoints.voice import Voice
from gateway_edge.messages.message import WEBSOCKET, Message
from gateway_edge.policy import Policy
from gateway_edge.rooms.crowd import Listener
from gateway_edge.rooms.generation import Generation

PATIENCE = 15.0  # seconds in which a stream that was begun elsewhere has to be found
KEPT_PATIENCE = 1.0  # seconds in which an answer that another process has just kept has to be
LONGEST_PAUSE, SHORTEST_PAUSE = 1.0, 0.05  # seconds before it is asked for again
# How long is asked again, in seconds, by what came of it.
PATIENCES = {
    Reason.NOT_FOUND: PATIENCE,
    Reason.UNAVAILABLE: PATIENCE,
    Reason.OVERLOADED: PATIENCE,
    Reason.RATE_LIMITED: PATIENCE,
    Reason.EVENTS_LOST: KEPT_PATIENCE,
}
KNOWN = PATIENCES | {Reason.NOT_FOUND: 0.0}  # for a stream that somebody has a part of: it is there, or it is over


class ReaderMeans(Struct, frozen=True, kw_only=True):
    """What reading needs: calls out of messages, and whose they may be."""

    calls: Calls
    policy: Callable[[], Policy]
    clock: Clock


class Following:
    """A `Sink` that feeds a generation. Its call's failure is its outcome's."""

    def __init__(self, generation: Generation) -> None:
        self._generation = generation

    def admit(self) -> None:
        """Everybody knows."""

    def start(self, headers: dict[str, str]) -> None:
        """Everybody was told by the room."""

    async def deliver(self, events: Sequence[Numbered]) -> None:
        """Waits while the stream is paused, and for nobody who reads."""
        await self._generation.gate.wait()
        if self._generation.is_over:
            raise ConnectionResetError("the stream is over")
        self._generation.feed(events)

    def fail(self, error: RunestoneError) -> None:
        """Whoever follows knows what to do."""


class Alone(Following):
    """One that feeds a single reader, until that has what the generation keeps."""

    def __init__(self, generation: Generation, listener: Listener, cursor: int) -> None:
        super().__init__(generation)
        self._listener = listener
        self.cursor = cursor

    async def deliver(self, events: Sequence[Numbered]) -> None:
        """Sends as fast as it is read. Raises ConnectionResetError when the rest is kept, or the reader gone."""
        for event in events:
            self._listener.send_frame(self._generation.frame(event))
            self.cursor = event.seq
        await self._listener.drain()
        if self.cursor >= self._generation.floor:
            raise ConnectionResetError("the rest is here")


class Reader:
    """Reads a tenant's streams under the name of the key that asked for them. Whoever cancels it leaves the stream running."""

    def __init__(self, tenant: str, means: ReaderMeans) -> None:
        self._tenant = tenant
        self._means = means

    async def follow(
        self, generation: Generation, api_key: str, patiences: Mapping[Reason, float] = PATIENCES
    ) -> Outcome:
        """Reads on behind what the generation has, to the end, which is the outcome's. What cannot be found or asked is tried again for a
        while: it may have begun this moment."""
        pause, began_at = SHORTEST_PAUSE, self._means.clock.monotonic()
        while True:
            last = generation.last
            outcome = await self._read(generation.stream_id, api_key, Following(generation), last)
            if outcome.error is None or generation.is_over:
                return outcome
            if generation.last > last:
                pause, began_at = SHORTEST_PAUSE, self._means.clock.monotonic()
            if self._means.clock.monotonic() - began_at >= patiences.get(outcome.error.reason, 0.0):
                return outcome
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  jitter, not secrecy
            pause = min(2 * pause, LONGEST_PAUSE)

    async def read_alone(self, generation: Generation, listener: Listener, cursor: int) -> int:
        """Reads for one what is no longer kept. Returns the event up to which it has been. Raises what went wrong, ConnectionError when the
        reader is gone."""
        sink = Alone(generation, listener, cursor)
        try:
            outcome = await self._read(generation.stream_id, generation.asker[0], sink, cursor)
        except ConnectionError:
            if sink.cursor < generation.floor:
                raise
            return sink.cursor
        if outcome.error is not None:
            raise outcome.error
        return max(sink.cursor, generation.last)

    async def _read(self, stream_id: str, api_key: str, sink: Following, after: int) -> Outcome:
        def make_reply(_call_id: str, _voice: Voice) -> StreamReply:
            return StreamReply(sink, after)

        try:
            session = self._open_session(api_key)
            message = Message(
                session=session,
                front=WEBSOCKET,
                method="GET",
                path=f"/v1/streams/{stream_id}",
                query=f"starting_after={after}",
            )
            return await self._means.calls.run(message, make_reply)
        except RunestoneError as error:
            return Outcome(error=error)

    def _open_session(self, api_key: str) -> Session:
        """From which addresses a key may be used, and for which endpoints, binds who asked, and that was looked at there. Raises
        AUTHENTICATION_FAILED when there is no such tenant any more."""
        policy = self._means.policy()
        found = policy.authority.member(self._tenant, api_key)
        if found is None and policy.authority.anonymous is not None:
            found = policy.authority.anonymous
        if found is None or found.tenant != self._tenant:
            raise RunestoneError(Reason.AUTHENTICATION_FAILED, "there is no such tenant any more")
        scope = dataclasses.replace(found.scope, networks=(), endpoints=found.scope.endpoints | {STREAM})
        return Session(dataclasses.replace(found, scope=scope), {}, "", policy.version)
