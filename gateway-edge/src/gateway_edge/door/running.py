"""The calls that run in this process: each ends in time or is ended, and leaves metrics and one log line."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from chassis import context
from chassis.clock import Clock
from chassis.errors import Reason, RunestoneError
from chassis.logs import Logger
from chassis.tracing import Kind, Tracing
from gateway_edge.call import Call
from gateway_edge.door.call_span import describe_call_on
from gateway_edge.door.errors import http_status
from gateway_edge.door.metrics import EdgeMetrics
from gateway_edge.reply import Reply


class LastReply(Reply, Protocol):
    """The reply behind all others, which can tell of an error."""

    @property
    def is_whole(self) -> bool:
        """Whether the end was sent."""

    async def fail(self, error: RunestoneError) -> None:
        """Tells of `error` in place of what has not been sent."""

    def stop_pinging(self) -> None:
        """Stops what still runs for this reply."""


class RunsCalls(Protocol):
    """Who runs calls: `RunningCalls`, or what stands in front of it."""

    async def run(self, call: Call, reply: LastReply, path: str, kind: Kind, answering: Awaitable[None]) -> None:
        """Returns when `call` was answered, whole or with an error, which its outcome then holds. Raises CancelledError and
        ConnectionError when its caller leaves. `path` is what it is counted under."""


class RunningCalls:
    """Runs calls in the tasks of their callers. Cancelling such a task cancels everything down to the provider's socket."""

    def __init__(self, *, clock: Clock, tracing: Tracing, metrics: EdgeMetrics, log: Logger) -> None:
        self._clock = clock
        self._tracing = tracing
        self._metrics = metrics
        self._log = log
        self._running: dict[Call, asyncio.Task[Any]] = {}
        self._empty = asyncio.Event()
        self._empty.set()

    async def run(self, call: Call, reply: LastReply, path: str, kind: Kind, answering: Awaitable[None]) -> None:
        """Returns when `call` was answered, whole or with an error, which its outcome then holds. Raises CancelledError and
        ConnectionError when its caller leaves. `path` is what it is counted under."""
        timer = self._enter(call)
        try:
            with self._tracing.span(f"{call.arrival.method} {path}", kind=kind) as span:
                call.trace = context.current().trace
                try:
                    await self._answer(call, reply, answering)
                finally:
                    if span is not None:
                        describe_call_on(span, call, reply, path, self._tracing)
        finally:
            timer.cancel()
            self._leave(call)
            reply.stop_pinging()
            self._note_end(call, reply, path)

    async def wait_until_empty(self, patience: float) -> None:
        """Returns when no call is running, or after `patience` seconds."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._empty.wait(), patience)

    def end_all(self) -> None:
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
        assert task is not None, "a call runs in its caller's task"
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

    async def _answer(self, call: Call, reply: LastReply, answering: Awaitable[None]) -> None:
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
    async def _tell(call: Call, reply: LastReply, error: RunestoneError) -> None:
        call.outcome.error = error
        await reply.fail(error)

    def _note_end(self, call: Call, reply: LastReply, path: str) -> None:
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
            model=call.question.view.model if call.question else None,
            provider=outcome.provider or None,
            cache=outcome.cache or None,
            ms=round(seconds * 1000, 2),
            bytes=reply.bytes_sent,
            trace_id=call.trace.trace_id,
            version=call.snapshot_version,
        )

    def __repr__(self) -> str:
        return f"RunningCalls({len(self._running)})"
