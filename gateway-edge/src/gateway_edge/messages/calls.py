"""Calls out of messages: the same pipelines, limits and records as those of requests, without a request of their own."""

from collections.abc import Awaitable, Callable

from chassis import context
from chassis.clock import Clock
from chassis.context import CallContext
from chassis.errors import Reason, RunestoneError
from chassis.ids import NewId
from chassis.tracing import TRACEPARENT, TRACESTATE, Tracing
from gateway_edge.call import Arrival, Call, Outcome
from gateway_edge.door.intake import BACKGROUND, read_timeout, wants_resumable
from gateway_edge.door.running import LastReply, RunsCalls
from gateway_edge.door.ways import Way, Ways
from gateway_edge.endpoints.voice import Voice
from gateway_edge.messages.message import Message
from gateway_edge.stopwatch import Stopwatch

MakeReply = Callable[[str, Voice], LastReply]


class MessageCalls:
    """Makes calls of messages. They run under the snapshot in force, each with an id, a deadline and a context of its own, and end with
    the process as all that are `running` do."""

    def __init__(
        self,
        ways: Callable[[], Ways],
        running: RunsCalls,
        resumable: RunsCalls,
        *,
        clock: Clock,
        new_id: NewId,
        tracing: Tracing,
    ) -> None:
        self._ways = ways
        self._running = running
        self._resumable = resumable
        self._clock = clock
        self._new_id = new_id
        self._tracing = tracing

    async def run(self, message: Message, make_reply: MakeReply) -> Outcome:
        """Answers `message` through the reply that is made for the call's id and its endpoint's voice; a failure is told there, and is the
        outcome's `error`. The calling task is the call's: whoever cancels it cancels the call down to the provider's socket.

        A stream that is asked for with `x-runestone-resumable: 1`, or is a response in the background, is left running instead, as soon as
        its reply `has_begun`: from then on its client knows the call's id, by which it comes back (`GET /v1/streams/{id}`) or ends it
        (`POST /v1/streams/{id}/cancel`, `Streams`). A reply that raises ConnectionError leaves it, too.

        Raises ROUTE_NOT_FOUND for what cannot be asked so, BODY_TOO_LARGE, AUTHENTICATION_FAILED when the session's key is no more,
        PERMISSION_DENIED for what its scopes do not allow, before there is a call; ConnectionError and CancelledError when the client
        leaves.
        """
        around = context.current()
        try:
            return await self._run(message, make_reply)
        finally:
            context.bind(around)

    async def _run(self, message: Message, make_reply: MakeReply) -> Outcome:
        ways = self._ways()
        way = ways.find_for_message(message.method, message.path)
        if way is None:
            text = f"{message.method} {message.path[:200]} cannot be asked here"
            raise RunestoneError(Reason.ROUTE_NOT_FOUND, text)
        call, reply = self._open_call(message, ways, way, make_reply)
        may_outlive = wants_resumable(message.headers) or (way.endpoint.is_stored and BACKGROUND in message.body)
        running = self._resumable if may_outlive else self._running
        await running.run(call, reply, f"{message.front} {way.path}", "server", way.pipeline(call))
        return call.outcome

    def _open_call(self, message: Message, ways: Ways, way: Way, make_reply: MakeReply) -> tuple[Call, LastReply]:
        policy, received_at, started_at = ways.policy, self._clock.monotonic(), self._clock.time()
        _check_size(message.body, policy.settings.edge.http.max_body)
        principal = message.session.find(policy)
        principal.scope.check(way.path, message.session.client_address, started_at)
        trace = self._tracing.begin(message.headers.get(TRACEPARENT), message.headers.get(TRACESTATE))
        timeout = read_timeout(message.headers, message.longest or policy.settings.edge.call_timeout)
        context.bind(CallContext(trace, received_at + timeout, policy.version))
        call_id = self._new_id()
        reply = make_reply(call_id, way.voice)
        arrival = Arrival(
            method=message.method,
            path=message.path,
            query=message.query,
            endpoint=message.path,
            template=way.path,
            headers=message.headers,
            client_address=message.session.client_address,
            received_at=received_at,
            started_at=started_at,
            timeout=timeout,
            read_body=already_read(message.body),
            model=way.model,
        )
        call = Call(
            id=call_id,
            arrival=arrival,
            reply=reply,
            settings=policy.settings,
            snapshot_version=policy.version,
            trace=trace,
            stopwatch=Stopwatch(),
            endpoint=way.endpoint,
            principal=principal,
            dialogue=message.dialogue,
        )
        reply.headers.update({"x-request-id": call.id, "traceparent": trace.traceparent})
        return call, reply


def _check_size(body: bytes, most: int) -> None:
    """What no request may be, no message may be either."""
    if len(body) > most:
        raise RunestoneError(Reason.BODY_TOO_LARGE, f"the request body is larger than {most} bytes")


def already_read(body: bytes) -> Callable[[], Awaitable[bytes]]:
    """Gives what is there."""

    async def read() -> bytes:
        return body

    return read
