"""The gRPC server that every service stands on.

What surrounds each rpc is visible in `Rpc`: places, deadline, trace, metrics, log. Errors become statuses in
`Server.abort`, in one place. Servicers raise `RunestoneError` and know nothing of this.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio
from grpc_reflection.v1alpha import reflection
from grpc_status import rpc_status

from chassis import context as call_context
from chassis.clock import Clock, SystemClock
from chassis.context import CallContext
from chassis.conventions import describe_rpc
from chassis.deadline import LEAST
from chassis.errors import Reason, RunestoneError, to_status
from chassis.gate import OPEN_GATE, Gate, Handlers
from chassis.health import Facts
from chassis.hop import code_of
from chassis.limiter import ConcurrencyLimiter
from chassis.logs import Logger
from chassis.metadata import VERSION
from chassis.metrics import Metrics
from chassis.mux.server import MuxServer
from chassis.probe_port import ProbePort
from chassis.rpc_handlers import rebuild
from chassis.tracing import NO_SPAN, TRACEPARENT, TRACESTATE, Tracing

if TYPE_CHECKING:
    from opentelemetry.trace import Span

Context = grpc.aio.ServicerContext[Any, Any]
AddServicer = Callable[[Any, Any], None]

UNGUARDED = (
    "/grpc.health.v1.Health/",  # probes must pass when the service is full
    "/grpc.reflection.",
    "/runestone.mux.v1.",  # a session is not a call; those that it carries are guarded each
)
MAX_MESSAGE = 72 * 1024 * 1024  # the largest body the edge accepts, and room for its envelope
LIVENESS = "liveness"  # the name under which health says whether the process is alive, ready or not
ANSWERS = frozenset(
    {Reason.NOT_FOUND, Reason.UNIMPLEMENTED}
)  # like any other: nothing went wrong, and nothing is logged
READ = frozenset({TRACEPARENT, TRACESTATE, VERSION})  # of a call's metadata
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


def server_options() -> list[tuple[str, int]]:
    """Message sizes, keepalive and connection age, the counterpart of `client.channel_options`.

    Channels do not resolve names again while they are healthy: ageing connections give new replicas their share. The
    grace lets the longest call end.
    """
    age_ms = random.randint(60_000, 300_000)  # noqa: S311  jitter, not secrecy
    return [
        ("grpc.max_receive_message_length", MAX_MESSAGE),
        ("grpc.max_send_message_length", MAX_MESSAGE),
        ("grpc.so_reuseport", 0),
        ("grpc.max_connection_age_ms", age_ms),
        ("grpc.max_connection_age_grace_ms", 660_000),
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
    ]


class Versions(Protocol):
    """The snapshots that this process knows: `SnapshotFeed`."""

    def knows(self, version: str) -> bool:
        """Whether calls that carry `version` can be served."""

    async def wait_for(self, version: str) -> None:
        """Returns when `version` is known; raises UNAVAILABLE, not begun, when it is not soon."""


def bind_plainly(server: grpc.aio.Server, address: str) -> tuple[int, Gate]:
    """In the clear, open to everybody who reaches it."""
    return server.add_insecure_port(address), OPEN_GATE


class Server:
    """One service's gRPC server: guarded servicers, health out of `facts`, reflection.

    `add` servicers, then `start`, then `stop`. It starts NOT_SERVING and serves when all facts hold. Health and reflection are open to
    whoever could connect; `gate` stands before everything else.
    """

    def __init__(
        self,
        *,
        facts: Facts,
        tracing: Tracing,
        metrics: Metrics,
        log: Logger,
        clock: Clock | None = None,
        max_running: int = 10_000,
        versions: Versions | None = None,
        bind: Callable[[grpc.aio.Server, str], tuple[int, Gate]] = bind_plainly,
    ) -> None:
        self.gate: Gate = OPEN_GATE
        self._bind = bind
        self.limiter = ConcurrencyLimiter(max_running)
        self._facts = facts
        self.tracing = tracing
        self._log = log
        self.clock = clock or SystemClock()
        self._versions = versions
        self._durations = metrics.histogram("rpc_server_seconds", "Time spent in an rpc", ("method", "code"))
        metrics.gauge("rpc_server_running", "Rpcs that are answered now").set_function(lambda: self.limiter.running)
        self._health = health_aio.HealthServicer()
        self._names: list[str] = [reflection.SERVICE_NAME, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name]
        stalls = metrics.counter(
            "mux_credit_stalls", "Answers that waited because their caller was slow to read"
        ).labels()
        self._mux = MuxServer(clock=self.clock, log=log, max_message=MAX_MESSAGE, admit=self._admit, stalls=stalls)
        metrics.gauge("mux_sessions", "Callers' sessions open now").set_function(lambda: self._mux.sessions)
        self._server = grpc.aio.server(interceptors=[_GuardInterceptor(self)], options=server_options())
        self._server.add_generic_rpc_handlers((self._mux.generic_handler(),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)

    def add(self, add_to_server: AddServicer, servicer: object, service_name: str) -> None:
        """Registers a servicer with its generated `add_..._to_server`; `service_name` is shown by reflection."""
        add_to_server(servicer, self._server)
        add_to_server(servicer, _Handlers(self, self._mux.handlers))
        self._names.append(service_name)

    async def start(self, address: str) -> int:
        """Listens on `unix:/path` or `host:port` (port 0: a free one). Returns the port, 1 for a unix socket.

        Raises OSError when the address cannot be had.
        """
        reflection.enable_server_reflection(self._names, self._server)
        await self._health.set("", NOT_SERVING)
        await self._health.set(LIVENESS, SERVING)
        try:
            port, self.gate = self._bind(self._server, address)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {address}: gRPC's line above says why") from error
        await self._server.start()
        await self._mux.listen_beside(address)
        return port

    def open_probe(self, address: str) -> ProbePort:
        """A port in the clear, for those who cannot show a certificate: it says how this server is, and nothing else."""
        return ProbePort(self._health, address)

    async def publish_health(self) -> None:
        """Tells health watchers how the facts stand now."""
        await self._health.set("", SERVING if self._facts.is_ready else NOT_SERVING)

    def say_goodbye(self) -> None:
        """Sends the callers that have a session to another replica: no new call is begun on it, running ones go on."""
        self._mux.say_goodbye()

    async def stop(self, grace: float) -> None:
        """NOT_SERVING at once, no new calls, then up to `grace` seconds for running ones before they are cancelled."""
        await self._health.enter_graceful_shutdown()
        await asyncio.gather(self._mux.stop(grace), self._server.stop(grace))

    def _admit(self, context: Context, handlers: Handlers) -> Handlers:
        return self.gate.admit(context, handlers)

    def around(self, method: str, context: Context) -> "Rpc":
        """What surrounds every rpc, as a context manager."""
        return Rpc(self, method, context)

    def enter(self, context: Context) -> float:
        """Takes a place, and binds the call's deadline, trace and version to the running task; returns when that was. Raises
        OVERLOADED, DEADLINE_EXCEEDED."""
        self.limiter.__enter__()
        try:
            return self._bind_call(context)
        except RunestoneError:
            self.limiter.__exit__(None, None, None)
            raise

    def lacks_version(self) -> bool:
        """Whether the running call carries a snapshot's version that this process does not know."""
        version = call_context.current().version
        return bool(version) and self._versions is not None and not self._versions.knows(version)

    async def wait_for_version(self) -> None:
        """Returns when it does. Raises UNAVAILABLE, not begun."""
        assert self._versions is not None, "only who has versions lacks one"
        await self._versions.wait_for(call_context.current().version)

    def leave(self, method: str, started: float, error: BaseException | None, code: str) -> None:
        """Gives the place back, observes duration and code; logs what failed, and every rpc at debug."""
        self.limiter.__exit__(None, None, None)
        seconds = self.clock.monotonic() - started
        spent = self._durations.labels(method, code)
        spent.observe(seconds)
        if self.tracing.is_sampling():
            spent.exemplify(seconds, call_context.current().trace)
        if isinstance(error, RunestoneError) and error.reason not in ANSWERS:
            self._log.warning("rpc failed", method=method, reason=error.reason, message=error.message)
        self._log.debug("rpc", method=method, code=code, ms=round(seconds * 1000, 2))

    def _bind_call(self, context: Context) -> float:
        left = context.time_remaining()
        if left is not None and left < LEAST:
            raise RunestoneError(Reason.DEADLINE_EXCEEDED, "the call arrived with no time left")
        now = self.clock.monotonic()
        traceparent, tracestate, version = _read_metadata(context)
        deadline = None if left is None else now + left
        call_context.bind(CallContext(self.tracing.begin(traceparent, tracestate), deadline, version))
        return now

    async def abort(self, method: str, context: Context, error: Exception) -> None:
        """Ends the rpc with the status of `error`; an error that nobody expected is INTERNAL, and logged with traceback."""
        if isinstance(error, grpc.aio.AbortError):
            raise error
        if not isinstance(error, RunestoneError):
            self._log.error("rpc crashed", method=method, exc_info=error)
            error = RunestoneError(Reason.INTERNAL, "internal error; the service's log has the details")
        await context.abort_with_status(rpc_status.to_status(to_status(error)))


class Rpc:
    """What surrounds every rpc, outermost first: a place, the call's context, time and log, a span.

    One object with two methods instead of four generators: it is on the way of every call.
    """

    __slots__ = ("_context", "_method", "_recording", "_server", "_span", "_started")

    def __init__(self, server: Server, method: str, context: Context) -> None:
        self._server = server
        self._method = method
        self._context = context

    def __enter__(self) -> None:
        self._started = self._server.enter(self._context)
        tracing = self._server.tracing
        self._recording: AbstractContextManager[Span | None] = NO_SPAN
        if tracing.is_sampling():
            name = self._method.strip("/")
            self._recording = tracing.span(name, kind="server", attributes=describe_rpc(name))
        self._span = self._recording.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        code = "OK" if error is None else code_of(error)
        try:
            if self._span is not None:
                self._server.tracing.describe(self._span, {"rpc.response.status_code": code})
            self._recording.__exit__(kind, error, trace)
        finally:
            self._server.leave(self._method, self._started, error, code)


def _read_metadata(context: Context) -> tuple[str | None, str | None, str]:
    """The call's trace, what other tracers say of it, and the version of the snapshot that it began with."""
    entries = context.invocation_metadata() or ()
    found = {key: value for key, value in entries if key in READ and isinstance(value, str)}
    return found.get(TRACEPARENT), found.get(TRACESTATE), found.get(VERSION, "")


class _Handlers:
    """Collects guarded handlers for sessions from a generated `add_..._to_server`, which fills a server in two ways."""

    def __init__(self, server: Server, handlers: dict[str, Any]) -> None:
        self._server = server
        self._handlers = handlers

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """The same handlers in another form."""

    def add_registered_method_handlers(self, service: str, handlers: dict[str, Any]) -> None:
        """Guards each method of `service`."""
        for name, handler in handlers.items():
            method = f"/{service}/{name}"
            self._handlers[method] = guard(self._server, method, handler)


class _GuardInterceptor(grpc.aio.ServerInterceptor):
    """Puts `Server.around` about every handler; each method's handler is wrapped once."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._wrapped: dict[str, Any] = {}

    async def intercept_service(self, continuation: Callable[..., Awaitable[Any]], details: Any) -> Any:
        method = details.method
        handler = self._wrapped.get(method)
        if handler is None:
            handler = await continuation(details)
            if handler is not None and not method.startswith(UNGUARDED):
                gated = self._server.gate.guard(method, handler)
                handler = self._wrapped[method] = guard(self._server, method, gated)
        return handler


def guard(server: Server, method: str, handler: Any) -> Any:
    """`handler` with everything that surrounds an rpc around it."""

    async def unary(request: Any, context: Context) -> Any:
        try:
            with server.around(method, context):
                if server.lacks_version():
                    await server.wait_for_version()
                return await (handler.unary_unary or handler.stream_unary)(request, context)
        except Exception as error:  # noqa: BLE001  the outermost border of the rpc
            await server.abort(method, context, error)

    async def stream(request: Any, context: Context) -> AsyncIterator[Any]:
        try:
            with server.around(method, context):
                if server.lacks_version():
                    await server.wait_for_version()
                messages = (handler.unary_stream or handler.stream_stream)(request, context)
                try:
                    async for message in messages:
                        yield message
                finally:
                    await messages.aclose()
        except Exception as error:  # noqa: BLE001  the outermost border of the rpc
            await server.abort(method, context, error)

    return rebuild(handler, stream if handler.response_streaming else unary)
