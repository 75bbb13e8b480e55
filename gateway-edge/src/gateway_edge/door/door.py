"""The HTTP door: a request in, a call through its pipeline, an answer or an error out. Every call leaves one log line."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from chassis import context
from chassis.clock import Clock
from chassis.context import CallContext
from chassis.errors import Reason, RunestoneError
from chassis.ids import NewId
from chassis.logs import Logger
from chassis.tracing import Tracing
from gateway_edge.call import Arrival, Call
from gateway_edge.door.errors import http_status
from gateway_edge.door.intake import read_timeout
from gateway_edge.door.metrics import EdgeMetrics
from gateway_edge.door.proxies import UNKNOWN
from gateway_edge.door.reply import HttpReply
from gateway_edge.door.ways import Way, Ways
from gateway_edge.http1.connection import Connection
from gateway_edge.http1.request import Request
from gateway_edge.policy import Policy
from gateway_edge.stopwatch import Stopwatch

if TYPE_CHECKING:
    from opentelemetry.trace import Span


class Door:
    """Turns requests into calls. `handle` runs in its connection's task: a client that leaves cancels it, and with it
    everything down to the provider's socket."""

    def __init__(
        self,
        ways: Callable[[], Ways],
        *,
        clock: Clock,
        new_id: NewId,
        tracing: Tracing,
        metrics: EdgeMetrics,
        log: Logger,
    ) -> None:
        self._ways = ways
        self._clock = clock
        self._new_id = new_id
        self._tracing = tracing
        self._metrics = metrics
        self._log = log
        self._running: dict[Call, asyncio.Task[Any]] = {}
        self._empty = asyncio.Event()
        self._empty.set()

    async def handle(self, request: Request, connection: Connection) -> None:
        """Answers one request."""
        ways = self._ways()
        way = ways.find(request.method, request.path)
        call, reply = self._open_call(request, connection, way, ways.policy)
        timer = self._enter(call)
        try:
            span_name = f"{request.method} {way.path}"
            with self._tracing.span(span_name, kind="server", attributes={"runestone.request_id": call.id}) as span:
                call.trace = context.current().trace
                await self._answer(call, reply, _refuse(request.fault) if request.fault else way.pipeline(call))
                if span is not None:
                    _note_stages(span, call)
        finally:
            timer.cancel()
            self._leave(call)
            reply.stop_pinging()
            self._note_end(call, reply, way.path)

    async def wait_until_empty(self, patience: float) -> None:
        """Returns when no call is running, or after `patience` seconds."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._empty.wait(), patience)

    def end_running(self) -> None:
        """Ends every running call with 503, or its stream with an error event: the process stops."""
        self.end_where(
            lambda _call: True, RunestoneError(Reason.UNAVAILABLE, "the gateway is stopping", retry_after=1.0)
        )

    def end_where(self, is_meant: Callable[[Call], bool], error: RunestoneError) -> None:
        """Ends those running calls with `error`, wherever they are."""
        for call in list(self._running):
            if is_meant(call):
                self._end(call, error)

    def _enter(self, call: Call) -> asyncio.TimerHandle:
        task = asyncio.current_task()
        assert task is not None, "a connection answers in its task"
        self._running[call] = task
        self._empty.clear()
        error = RunestoneError(Reason.DEADLINE_EXCEEDED, "the call took longer than it may")
        return asyncio.get_running_loop().call_later(call.arrival.timeout, self._end, call, error)

    def _leave(self, call: Call) -> None:
        del self._running[call]
        if not self._running:
            self._empty.set()

    def _end(self, call: Call, error: RunestoneError) -> None:
        """Ends a call from outside, wherever it waits: also where its client does not read."""
        if call.ending is None:
            call.ending = error
            self._running[call].cancel()

    async def _answer(self, call: Call, reply: HttpReply, answering: Awaitable[None]) -> None:
        try:
            await answering
            if not reply.is_whole:
                raise AssertionError(f"no middleware answered call {call.id}")  # noqa: TRY301  a fault like any other in here
        except RunestoneError as error:
            await self._tell(call, reply, error)
        except (asyncio.CancelledError, ConnectionError) as gone:
            if call.ending is None or isinstance(gone, ConnectionError):
                call.outcome.error = RunestoneError(Reason.CANCELLED, "the client went away")
                raise
            self._running[call].uncancel()
            await self._tell(call, reply, call.ending)
        except Exception:  # noqa: BLE001  the outermost border of a call; logged with its traceback
            self._log.exception("call crashed", request_id=call.id)
            await self._tell(call, reply, RunestoneError(Reason.INTERNAL, "internal error; quote the request id"))

    @staticmethod
    async def _tell(call: Call, reply: HttpReply, error: RunestoneError) -> None:
        call.outcome.error = error
        await reply.fail(error)

    def _open_call(self, request: Request, connection: Connection, way: Way, policy: Policy) -> tuple[Call, HttpReply]:
        edge = policy.settings.edge
        received_at = self._clock.monotonic()
        trace = self._tracing.begin(request.headers.get("traceparent"))
        timeout = read_timeout(request.headers, edge.call_timeout)
        context.bind(CallContext(trace, received_at + timeout, policy.version))
        stopwatch = Stopwatch()
        reply = HttpReply(request, connection, stopwatch.server_timing)
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
        )
        call = Call(
            id=self._new_id(),
            arrival=arrival,
            reply=reply,
            settings=policy.settings,
            snapshot_version=policy.version,
            trace=trace,
            stopwatch=stopwatch,
        )
        reply.headers.update({"x-request-id": call.id, "traceparent": trace.traceparent})
        if policy.cors:
            reply.headers.update(policy.cors.headers_for(request.headers.get("origin")))
        return call, reply

    def _note_end(self, call: Call, reply: HttpReply, path: str) -> None:
        """Metrics and the call's one log line."""
        outcome = call.outcome
        status = http_status(outcome.error) if outcome.error else 200
        seconds = self._clock.monotonic() - call.arrival.received_at
        self._metrics.note_call(call, path, status, seconds)
        self._log.info(
            "call",
            request_id=call.id,
            endpoint=path,
            status=status,
            reason=outcome.error.reason if outcome.error else None,
            tenant=call.principal.tenant if call.principal else None,
            model=call.question.chat.model if call.question else None,
            provider=outcome.provider or None,
            cache=outcome.cache or None,
            ms=round(seconds * 1000, 2),
            bytes=reply.bytes_sent,
            trace_id=call.trace.trace_id,
            version=call.snapshot_version,
        )


def _find_client(request: Request, connection: Connection, policy: Policy) -> str:
    """The client behind a trusted proxy; where that cannot be said, the request is spoiled."""
    try:
        return policy.proxies.find_client(connection.client_address, request.headers)
    except RunestoneError as error:
        request.spoil(error.message)
        return UNKNOWN


async def _refuse(fault: RunestoneError) -> None:
    raise fault


def _note_stages(span: "Span", call: Call) -> None:
    """Each middleware as an event of the call's span."""
    for name, seconds in call.stopwatch.read().items():
        span.add_event("middleware", {"runestone.middleware": name, "runestone.middleware.seconds": seconds})
