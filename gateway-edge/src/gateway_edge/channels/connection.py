"""A connection that speaks Phoenix Channels V2: frames in, what its topics say to them done, frames out."""

import asyncio
from collections.abc import Coroutine, Iterable, Mapping
from typing import Any, assert_never

from chassis.errors import Reason, RunestoneError
from chassis.logs import Logger
from gateway_edge.channels.channel import Handler, OpenTopic, Payload
from gateway_edge.channels.frames import (
    EMPTY,
    Frame,
    MalformedFrameError,
    read_frame,
    write_binary_push,
    write_binary_reply,
    write_broadcast,
    write_push,
    write_reply,
)
from gateway_edge.channels.slots import Slots
from gateway_edge.channels.telling import write_refusal
from gateway_edge.channels.topics import Deliver, Forsake, Leave, Open, Seat, Send, Step, Topics
from gateway_edge.websocket.application import Socket

POLICY_VIOLATED, RESTARTING = 1008, 1012
DRAINING = write_broadcast("phoenix", "phx_drain")


class Connection:
    """Speaks on `socket`: an `Application`. `kinds` are asked for the topics that are joined; `streams` bounds what runs in all of them. What
    is no frame closes the connection with 1008."""

    def __init__(
        self, socket: Socket, kinds: Mapping[str, OpenTopic], topics: Topics, *, streams: Slots, log: Logger
    ) -> None:
        self._socket = socket
        self._kinds = kinds
        self._topics = topics
        self._streams = streams
        self._log = log
        self._channels: dict[Seat, JoinedChannel] = {}

    def received(self, message: str | bytes) -> None:
        """Does what one frame asks for."""
        try:
            frame = read_frame(message)
        except MalformedFrameError as error:
            self._socket.close(POLICY_VIOLATED, str(error))
            return
        self._take(self._topics.receive(frame))

    def drain(self) -> bool:
        """Says that the process stops. Channels stay joined: a client that is told they closed would not join anew elsewhere. What runs may
        end, and nothing else begins: it is true that the socket is closed behind the last."""
        self._socket.send(DRAINING)
        self._streams.shut(lambda: self._socket.close(RESTARTING, "the gateway restarts"))
        return self._streams.taken > 0

    def closed(self, code: int, reason: str) -> None:  # noqa: ARG002  an application's signature
        """Ends what runs here. Streams go on: their client may come back."""
        channels, self._channels = list(self._channels.values()), {}
        for channel in channels:
            channel.end(has_left=False)

    def accept(self, seat: Seat, response: bytes) -> None:
        """The topic is joined."""
        self._take(self._topics.accept(seat, response))

    def refuse(self, seat: Seat, error: RunestoneError) -> None:
        """The topic may not be joined."""
        self._forget(seat)
        self._take(self._topics.refuse(seat, write_refusal(error)))

    def crash(self, seat: Seat, error: BaseException) -> None:
        """What handles the topic raised."""
        self.note_crash(seat, error)
        self._take(self._topics.crash(seat))
        self._forget(seat)

    def note_crash(self, seat: Seat, error: BaseException) -> None:
        """Logs it with its traceback."""
        self._log.error("channel crashed", topic=seat.join.topic, exc_info=error)

    def close_channel(self, seat: Seat) -> None:
        """The topic's handler is done with it."""
        self._take(self._topics.close(seat))
        self._forget(seat)

    def is_joined(self, seat: Seat) -> bool:
        """Whether that join still counts."""
        return self._socket.is_open and self._topics.holds(seat)

    def _take(self, steps: Iterable[Step]) -> None:
        for step in steps:
            match step:
                case Send(text):
                    self._socket.send(text)
                case Deliver(seat, frame):
                    if channel := self._channels.get(seat):  # the message before it may have ended the channel
                        channel.receive(frame)
                case Open(seat):
                    self._open(seat)
                case Leave(seat):
                    self._forget(seat, has_left=True)
                case Forsake(seat):
                    self._forget(seat)
                case _:
                    assert_never(step)

    def _open(self, seat: Seat) -> None:
        channel = JoinedChannel(self, seat, self._socket, self._streams)
        self._channels[seat] = channel
        channel.spawn(channel.open(self._kinds[seat.join.topic.partition(":")[0]]))

    def _forget(self, seat: Seat, *, has_left: bool = False) -> None:
        if channel := self._channels.pop(seat, None):
            channel.end(has_left=has_left)

    def __repr__(self) -> str:
        return f"Connection({self._socket.session!r}, {len(self._topics)} topics)"


class JoinedChannel:
    """A topic that is joined, or about to be: the `Channel` of its handler, and the owner of what runs for it."""

    def __init__(self, connection: Connection, seat: Seat, socket: Socket, streams: Slots) -> None:
        join = seat.join
        self.topic, self.join_ref = join.topic, join.join_ref
        self.name = join.topic.partition(":")[2]
        self.session, self.socket, self.streams = socket.session, socket, streams
        self._connection = connection
        self._seat = seat
        self._handler: Handler | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def is_open(self) -> bool:
        """Whether its client can be told anything."""
        return self._connection.is_joined(self._seat)

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
        self._connection.close_channel(self._seat)

    async def open(self, kind: OpenTopic) -> None:
        """Joins, or is refused."""
        try:
            joined = await kind(self, _read_payload(self._seat.join))
        except RunestoneError as error:
            self._connection.refuse(self._seat, error)
            return
        self._handler = joined.handler
        self._connection.accept(self._seat, joined.response)

    def receive(self, frame: Frame) -> None:
        """Gives the handler a message."""
        assert self._handler is not None, "nothing is delivered before the join"
        try:
            self._handler.received(frame.event, _read_payload(frame), _Reply(self, frame))
        except Exception as error:  # noqa: BLE001  the border of a channel; logged with its traceback
            self._connection.crash(self._seat, error)

    def end(self, *, has_left: bool) -> None:
        """Tells the handler, and cancels what runs. A handler that raises now has nobody left to tell."""
        handler, self._handler = self._handler, None
        try:
            if handler is not None:
                (handler.left if has_left else handler.closed)()
        except Exception as error:  # noqa: BLE001  the border of a channel; logged with its traceback
            self._connection.note_crash(self._seat, error)
        own = asyncio.current_task()
        for task in list(self._tasks):
            if task is not own:
                task.cancel()

    def _note_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, ConnectionError):
            self._connection.crash(self._seat, error)


class _Reply:
    """The answer to one message."""

    def __init__(self, channel: JoinedChannel, frame: Frame) -> None:
        self._channel = channel
        self._frame: Frame | None = frame._replace(
            payload=b""
        )  # what was asked may be large, and the answer long in coming

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


def check_version(parameters: Mapping[str, str]) -> None:
    """Raises PERMISSION_DENIED (403, as Phoenix) for a client that speaks another version than 2; without `vsn` it speaks the first."""
    version = parameters.get("vsn", "1.0.0")
    if version.partition(".")[0] != "2":
        message = "this socket speaks version 2 of Phoenix' channels: connect with `vsn=2.0.0`"
        raise RunestoneError(Reason.PERMISSION_DENIED, message, code="unsupported_version")
