"""The context that a servicer gets for a call of a session: what guards and servicers use of `grpc.aio.ServicerContext`."""

from collections.abc import Callable
from typing import Any, NoReturn

import grpc
import grpc.aio

from chassis.clock import Clock
from chassis.logs import Logger
from chassis.metadata import VERSION, Metadata
from chassis.tracing import TRACEPARENT
from runestone.mux.v1.mux_pb2 import Metadata as Entry
from runestone.mux.v1.mux_pb2 import Open, Status

DETAILS_KEY = "grpc-status-details-bin"


class MuxAbort(grpc.aio.AbortError):
    """Ends the call with `status`; raised by `abort` as grpc.aio's own AbortError is."""

    def __init__(self, status: Status) -> None:
        super().__init__(status.details)
        self.status = status


class MuxContext:
    """Answers with messages and errors only: initial and trailing metadata, and `context.write`, are for plain gRPC."""

    __slots__ = ("_callbacks", "_clock", "_deadline", "_is_over", "_log", "_opening")

    def __init__(self, opening: Open, clock: Clock, log: Logger) -> None:
        self._opening = opening
        self._clock = clock
        self._log = log
        self._callbacks: list[Callable[[Any], None]] | None = None  # few servicers ask to be called
        self._is_over = False
        self._deadline = clock.monotonic() + opening.timeout_us / 1e6

    def invocation_metadata(self) -> Metadata:
        """The caller's metadata."""
        entries: list[tuple[str, str | bytes]] = []
        if traceparent := self._opening.traceparent:
            entries.append((TRACEPARENT, traceparent))
        if version := self._opening.snapshot_version:
            entries.append((VERSION, version))
        if metadata := self._opening.metadata:
            entries += [(entry.key, _read(entry)) for entry in metadata]
        return entries

    def time_remaining(self) -> float:
        """Seconds that the caller still waits; never below 0."""
        return max(0.0, self._deadline - self._clock.monotonic())

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        """Calls `callback(context)` when the call is over, or as soon as the caller went away; at once if that was before."""
        if self._callbacks is None:
            self._callbacks = []
        self._callbacks.append(callback)
        if self._is_over:
            self.finish()

    def finish(self) -> None:
        """The call is over: calls back, once each. What a callback raises is logged and keeps nobody else from being told."""
        self._is_over = True
        callbacks, self._callbacks = self._callbacks or (), None
        for callback in callbacks:
            try:
                callback(self)
            except Exception:  # noqa: BLE001  whatever it is, the others are told
                self._log.exception("a callback at a call's end crashed")

    async def abort(self, code: grpc.StatusCode, details: str = "", trailing_metadata: Metadata = ()) -> NoReturn:
        """Ends the call; of trailing metadata only the status details travel."""
        found = [value for key, value in trailing_metadata if key == DETAILS_KEY and isinstance(value, bytes)]
        raise MuxAbort(Status(code=code.value[0], details=details, status=found[0] if found else b""))

    async def abort_with_status(self, status: grpc.Status) -> NoReturn:
        """Ends the call with a status and its details."""
        await self.abort(status.code, status.details, status.trailing_metadata or ())


def _read(entry: Entry) -> str | bytes:
    return entry.value if entry.key.endswith("-bin") else entry.value.decode()
