"""Calls that go on while their client is away, each in a task of its own."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from chassis.metrics import Metrics
from chassis.tracing import Kind
from gateway_edge.call import Call
from gateway_edge.door.intake import wants_resumable
from gateway_edge.door.running import LastReply, RunsCalls
from gateway_edge.streams.control import Streams
from gateway_edge.streams.resumable import BackgroundReply, ResumableReply
from runestone.provider.v1.provider_pb2 import ControlRequest

MOST_LEFT = 2_000  # calls of a process that go on without a client; a client that leaves one more ends its call

Start = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]


class ResumableCalls:
    """Runs calls whose clients may come back. What a call needs at its end (settling, the record, the cache) stays here: this process reads
    the stream to its end, whoever reads it elsewhere. `start` owns the tasks."""

    def __init__(self, running: RunsCalls, streams: Streams, start: Start, metrics: Metrics) -> None:
        self._running = running
        self._streams = streams
        self._start = start
        self._left: dict[Call, asyncio.Future[None]] = {}  # of each call, which is done when its client has left
        self._count_left = 0
        detached = metrics.gauge("streams_detached", "Calls that go on here without their clients")
        detached.set_function(lambda: self._count_left)

    async def run(self, call: Call, reply: LastReply, path: str, kind: Kind, answering: Awaitable[None]) -> None:
        """As `RunningCalls.run`, but that a client who leaves when it has been told the stream's id leaves the call running: CancelledError
        and ConnectionError are raised then, too."""
        if call.arrival.method != "POST":
            await self._running.run(call, reply, path, kind, answering)
            return
        call.is_resumable = wants_resumable(call.arrival.headers)
        call.may_be_background = not call.is_resumable
        self._left[call] = left = asyncio.get_running_loop().create_future()
        reply_of = ResumableReply if call.is_resumable else BackgroundReply
        stream = reply_of(call, reply, self._streams.gates.enter(call.id), self._streams.notes, self)
        call.reply = stream
        task = self._start(self._answer(call, self._running.run(call, stream, path, kind, answering)))
        try:
            await asyncio.wait({task, left}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            if not task.done() and not stream.leave():
                await _end(task)
            raise
        if not task.done():
            raise ConnectionResetError("the client is gone")
        task.result()

    def abandon(self, call: Call) -> None:
        """Nobody will read the stream that `call` began: it has to end with the call."""
        self._start(self._streams.tell(call, ControlRequest.ACTION_CANCEL))

    @property
    def has_room(self) -> bool:
        """Whether one more call may go on without its client."""
        return self._count_left < MOST_LEFT

    def note_left(self, call: Call) -> None:
        """The client of `call` is gone, and the call goes on."""
        self._count_left += 1
        self._left[call].set_result(None)
        self._start(self._streams.tell(call, ControlRequest.ACTION_DETACH))

    async def _answer(self, call: Call, answering: Awaitable[None]) -> None:
        try:
            await answering
        finally:
            self._streams.gates.leave(call.id)
            self._count_left -= self._left.pop(call).done()

    def __repr__(self) -> str:
        return f"ResumableCalls({len(self._left)}, {self._count_left} of them without a client)"


async def _end(task: "asyncio.Task[Any]") -> None:
    """Ends a call with its client, and returns when it is over."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.wait([task])
