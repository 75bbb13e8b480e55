"""A topic that is joined: what its handler may do, and the owner of what runs for it."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol

from chassis.errors import RunestoneError
from gateway_edge.channels.channel import Handler, OpenTopic, Payload
from gateway_edge.channels.frames import EMPTY, Frame, write_binary_push, write_binary_reply, write_push, write_reply
from gateway_edge.channels.slots import Slots
from gateway_edge.channels.telling import write_refusal
from gateway_edge.channels.topics import Seat
from gateway_edge.websocket.application import Socket


class Host(Protocol):
    """The connection that it is joined on."""

    def is_joined(self, seat: Seat) -> bool:
        """Whether that join still counts."""

    def accept(self, seat: Seat, response: bytes) -> None:
        """The topic is joined."""

    def refuse(self, seat: Seat, error: RunestoneError) -> None:
        """The topic may not be joined."""

    def crash(self, seat: Seat, error: BaseException) -> None:
        """What handles the topic raised."""

    def note_crash(self, seat: Seat, error: BaseException) -> None:
        """It raised when nobody was left to be told."""

    def close_channel(self, seat: Seat) -> None:
        """The topic's handler is done with it."""


class JoinedChannel:
    """A topic that is joined, or about to be: the `Channel` of its handler, and the owner of what runs for it."""

    def __init__(self, host: Host, seat: Seat, socket: Socket, streams: Slots) -> None:
        join = seat.join
        self.topic, self.join_ref = join.topic, join.join_ref
        self.name = join.topic.partition(":")[2]
        self.session, self.socket, self.streams = socket.session, socket, streams
        self._host = host
        self._seat = seat
        self._handler: Handler | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def is_open(self) -> bool:
        """Whether its client can be told anything."""
        return self._host.is_joined(self._seat)

    def push(self, event: str, payload: bytes = EMPTY) -> None:
        """Sends JSON."""
        if self.is_open:
            self.socket.send(write_push(self.join_ref, self.topic, event, payload))

    def push_binary(self, event: str, payload: bytes) -> None:
        """Sends any bytes."""
        if self.is_open:
            self.socket.send_binary(write_binary_push(self.join_ref, self.topic, event, payload))

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Runs `work`, until the channel ends."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._note_done)
        return task

    def close(self) -> None:
        """Ends the channel."""
        self._host.close_channel(self._seat)

    async def open(self, kind: OpenTopic) -> None:
        """Joins, or is refused."""
        try:
            joined = await kind(self, _read_payload(self._seat.join))
        except RunestoneError as error:
            self._host.refuse(self._seat, error)
            return
        self._handler = joined.handler
        self._host.accept(self._seat, joined.response)

    def receive(self, frame: Frame) -> None:
        """Gives the handler a message."""
        assert self._handler is not None, "nothing is delivered before the join"
        try:
            self._handler.received(frame.event, _read_payload(frame), _Reply(self, frame))
        except Exception as error:  # noqa: BLE001  the border of a channel; logged with its traceback
            self._host.crash(self._seat, error)

    def end(self, *, has_left: bool) -> None:
        """Tells the handler, and cancels what runs. A handler that raises now has nobody left to tell."""
        handler, self._handler = self._handler, None
        try:
            if handler is not None:
                (handler.left if has_left else handler.closed)()
        except Exception as error:  # noqa: BLE001  the border of a channel; logged with its traceback
            self._host.note_crash(self._seat, error)
        own = asyncio.current_task()
        for task in list(self._tasks):
            if task is not own:
                task.cancel()

    def _note_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, ConnectionError):
            self._host.crash(self._seat, error)


class _Reply:
    """The answer to one message."""

    def __init__(self, channel: JoinedChannel, frame: Frame) -> None:
        self._channel = channel
        # What was asked may be large, and the answer long in coming.
        self._frame: Frame | None = frame._replace(payload=b"")

    def ok(self, response: bytes = EMPTY) -> None:
        """Replies with JSON."""
        if frame := self._take():
            self._channel.socket.send(write_reply(frame, "ok", response))

    def ok_binary(self, response: bytes) -> None:
        """Replies with any bytes."""
        if frame := self._take():
            self._channel.socket.send_binary(write_binary_reply(frame, "ok", response))

    def error(self, error: RunestoneError) -> None:
        """Replies that it failed."""
        if frame := self._take():
            self._channel.socket.send(write_reply(frame, "error", write_refusal(error)))

    def _take(self) -> Frame | None:
        frame, self._frame = self._frame, None
        return frame if self._channel.is_open else None


def _read_payload(frame: Frame) -> Payload:
    return Payload(frame.payload, frame.is_binary)
