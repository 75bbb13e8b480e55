"""The HTTP door: a request in, a call through its pipeline, an answer or an error out."""

from collections.abc import Callable

from chassis import context
from chassis.clock import Clock
from chassis.context import CallContext
from chassis.errors import RunestoneError
from chassis.ids import NewId
from chassis.tracing import TRACEPARENT, TRACESTATE, Tracing
from gateway_edge.call import Arrival, Call
from gateway_edge.door.intake import BACKGROUND, RESUMABLE, read_timeout, wants_resumable
from gateway_edge.door.proxies import UNKNOWN
from gateway_edge.door.reply import HttpReply
from gateway_edge.door.running import RunningCalls, RunsCalls
from gateway_edge.door.ways import Way, Ways
from gateway_edge.http1.connection import Connection
from gateway_edge.http1.request import Request
from gateway_edge.policy import Policy
from gateway_edge.repeats.repeats import Repeats
from gateway_edge.stopwatch import Stopwatch


class Door:
    """Turns requests into calls. `handle` runs in its connection's task: a client that leaves cancels it, and with it
    everything down to the provider's socket."""

    def __init__(
        self,
        ways: Callable[[], Ways],
        running: RunningCalls,
        resumable: RunsCalls,
        repeats: Repeats,
        *,
        clock: Clock,
        new_id: NewId,
        tracing: Tracing,
    ) -> None:
        self._ways = ways
        self._running = running
        self._resumable = resumable
        self._repeats = repeats
        self._clock = clock
        self._new_id = new_id
        self._tracing = tracing

    async def handle(self, request: Request, connection: Connection) -> None:
        """Answers one request."""
        ways = self._ways()
        way = ways.find(request.method, request.path)
        call, reply = self.open_call(request, connection, way, ways.policy)
        answering = _refuse(request.fault) if request.fault else way.pipeline(call)
        running = self._resumable if _may_outlive(request, way) else self._running
        await running.run(call, reply, way.path, "server", answering)
        if request.segment and call.given is not None and ways.policy.authority.knows(call.caller):
            self._repeats.learn(request, call, ways.recipes, way.path)

    def repeat(self, segment: bytes, client_address: str) -> bytes | None:
        """The answer to a request that was answered before out of copies; None where it has to be handled."""
        return self._repeats.answer(segment, client_address, self._ways().recipes)

    def open_call(self, request: Request, connection: Connection, way: Way, policy: Policy) -> tuple[Call, HttpReply]:
        """A call of a request, with the reply that answers it; its context is bound."""
        edge = policy.settings.edge
        received_at = self._clock.monotonic()
        trace = self._tracing.begin(request.headers.get(TRACEPARENT), request.headers.get(TRACESTATE))
        timeout = read_timeout(request.headers, edge.call_timeout)
        context.bind(CallContext(trace, received_at + timeout, policy.version))
        stopwatch = Stopwatch()
        call_id = self._new_id()
        reply = HttpReply(request, connection, stopwatch.server_timing, voice=way.voice, call_id=call_id)
        is_proxied = policy.proxies.trusts(connection.client_address)
        patience = min(timeout, edge.protection.body_timeout)
        arrival = Arrival(
            method=request.method,
            path=request.raw_path,
            query=request.query,
            endpoint=request.path,
            template=way.path,
            headers=request.headers,
            client_address=_find_client(request, connection, policy) if is_proxied else connection.client_address,
            received_at=received_at,
            started_at=self._clock.time(),
            timeout=timeout,
            read_body=lambda: connection.read_body(edge.http.max_body, patience),
            is_proxied=is_proxied,
            model=way.model,
        )
        call = Call(
            id=call_id,
            arrival=arrival,
            reply=reply,
            settings=policy.settings,
            snapshot_version=policy.version,
            trace=trace,
            stopwatch=stopwatch,
            endpoint=way.endpoint,
        )
        reply.headers.update({"x-request-id": call.id, "traceparent": trace.traceparent})
        if way.voice.id_header:
            reply.headers[way.voice.id_header] = call.id
        if policy.cors:
            reply.headers.update(policy.cors.headers_for(request.headers.get("origin")))
        return call, reply


def _may_outlive(request: Request, way: Way) -> bool:
    """Whether the call may go on without its client: where that is asked for, and where only the body says so."""
    if RESUMABLE in request.headers and wants_resumable(request.headers):
        return True
    return way.endpoint.is_stored and request.method == "POST" and request.may_hold(BACKGROUND)


def _find_client(request: Request, connection: Connection, policy: Policy) -> str:
    """The client behind a trusted proxy; where that cannot be said, the request is spoiled."""
    try:
        return policy.proxies.find_client(connection.client_address, request.headers)
    except RunestoneError as error:
        request.spoil(error.message)
        return UNKNOWN


async def _refuse(fault: RunestoneError) -> None:
    raise fault
