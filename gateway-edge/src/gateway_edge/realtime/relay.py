"""The session itself: one rpc to provider-svc for what the provider says, others for what the client does."""

import asyncio
import random
from collections.abc import AsyncIterable, Awaitable, Callable, Mapping
from itertools import compress
from typing import Protocol

from chassis.client import Channel, closing
from chassis.errors import Reason, RunestoneError
from gateway_edge.call import Call
from gateway_edge.middleware.base import Proceed
from gateway_edge.question.telling import tell_route
from gateway_edge.realtime.codes import code_to_send, read_end
from gateway_edge.realtime.line import Line
from runestone.realtime.v1.realtime_pb2 import (
    CloseRequest,
    CloseResponse,
    Ended,
    Opened,
    OpenRequest,
    OpenResponse,
    RealtimeEvent,
    SendRequest,
    SendResponse,
)
from runestone.realtime.v1.realtime_pb2_grpc import RealtimeServiceStub

PATIENCE = 2.0  # a provider-svc that was killed is back within this
SENT = ("openai-beta", "openai-safety-identifier", "openai-organization", "openai-project")


class Sessions(Protocol):
    """What is needed of a replica of provider-svc: `RealtimeServiceStub`."""

    def Open(self, request: OpenRequest, /) -> AsyncIterable[OpenResponse]:  # noqa: N802  the rpc's name
        """Opens a session; leaving its events closes it."""

    def Send(self, request: SendRequest, /) -> Awaitable[SendResponse]:  # noqa: N802  the rpc's name
        """Sends to the provider."""

    def Close(self, request: CloseRequest, /) -> Awaitable[CloseResponse]:  # noqa: N802  the rpc's name
        """Begins to close."""


async def find_replica(channels: Mapping[str, Channel]) -> Sessions:
    """One of the replicas that can be reached, for a whole session; one that was killed is waited for. Raises UNAVAILABLE."""
    drawn = random.sample(list(channels.values()), len(channels))
    for patience in (0.0, PATIENCE):
        are_connected = await asyncio.gather(*(channel.is_connected_within(patience) for channel in drawn))
        for channel in compress(drawn, are_connected):
            return RealtimeServiceStub(channel)
    raise RunestoneError(Reason.UNAVAILABLE, "the provider service cannot be reached", retry_after=1.0)


class RelayRealtime:
    """Opens a session and relays it. A client that is lost cancels the rpc, and with it the provider's socket; one that closes has its code
    passed on, and so has the provider."""

    name = "call"

    def __init__(self, find: Callable[[], Awaitable[Sessions]]) -> None:
        self._find = find

    async def __call__(self, call: Call, proceed: Proceed) -> None:  # noqa: ARG002  the last of every pipeline
        """Returns when the session ended well. Raises what it was refused with, or what befell it."""
        line = call.dialogue
        if line is None:
            raise RunestoneError(Reason.ROUTE_NOT_FOUND, "realtime sessions are opened as WebSockets")
        session = _Session(call, line, await self._find())
        listening, speaking = asyncio.create_task(session.listen()), asyncio.create_task(session.speak())
        try:
            await asyncio.wait((listening, speaking), return_when=asyncio.FIRST_COMPLETED)
            if not listening.done():
                speaking.result()
                await asyncio.wait((listening,))
            listening.result()
        finally:
            listening.cancel()
            speaking.cancel()
            await asyncio.gather(listening, speaking, return_exceptions=True)


class _Session:
    """Both directions of one."""

    def __init__(self, call: Call, line: Line, sessions: Sessions) -> None:
        self._call = call
        self._line = line
        self._sessions = sessions
        self._is_open = asyncio.Event()

    async def listen(self) -> None:
        """Until the session has ended."""
        call = self._call
        headers = {name: call.arrival.headers[name] for name in SENT if name in call.arrival.headers}
        request = OpenRequest(call_id=call.id, tenant=call.caller.tenant, model=call.asked.view.model, headers=headers)
        async with closing(self._sessions.Open(request)) as responses:
            async for response in responses:
                for event in response.events:
                    await self._take(event)
        if not call.outcome.is_complete:
            raise RunestoneError(Reason.PROVIDER_STREAM_CUT, "the session ended before its end was said")

    async def speak(self) -> None:
        """Until the client has closed. A session that is over meanwhile is no failure: `listen` knows how it ended."""
        await self._is_open.wait()
        tenant, call_id = self._call.caller.tenant, self._call.id
        try:
            while messages := await self._line.take():
                await self._sessions.Send(SendRequest(call_id=call_id, tenant=tenant, messages=messages))
            code, reason = self._line.closed_with or (1000, "")
            request = CloseRequest(call_id=call_id, tenant=tenant, code=code_to_send(code), reason=reason)
            await self._sessions.Close(request)
        except RunestoneError as error:
            if error.reason is not Reason.NOT_FOUND:
                raise

    async def _take(self, event: RealtimeEvent) -> None:
        match event.WhichOneof("event"):
            case "message":
                outcome, message = self._call.outcome, event.message
                if message.HasField("usage"):
                    outcome.usage = message.usage
                    outcome.cost = message.cost if message.HasField("cost") else None
                if self._line.closed_with is None:
                    await self._line.tell(message)
            case "opened":
                self._note(event.opened)
                self._is_open.set()
            case "ended":
                self._end(event.ended)

    def _note(self, opened: Opened) -> None:
        outcome = self._call.outcome
        outcome.provider, outcome.provider_model, outcome.attempts = opened.provider, opened.model, opened.attempt
        tell_route(self._call, self._call.asked.route.name)

    def _end(self, ended: Ended) -> None:
        """What the provider's socket was closed with; after the client had closed, that is the answer to it."""
        is_ours = self._line.closed_with is not None
        error = read_end(ended.code, ended.reason, is_created=ended.created)
        if error is not None and not (is_ours and ended.created):
            self._line.pass_on_end(ended.code, ended.reason)
            raise error
        self._call.outcome.is_complete = True
        self._line.finish(ended.code, ended.reason)
