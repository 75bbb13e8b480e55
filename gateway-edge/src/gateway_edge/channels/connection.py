"""A connection that speaks Phoenix Channels V2: frames in, what its topics say to them done, frames out."""

from collections.abc import Iterable, Mapping
from typing import assert_never

from chassis.errors import RunestoneError
from chassis.logs import Logger
from gateway_edge.channels.channel import OpenTopic
from gateway_edge.channels.frames import MalformedFrameError, read_frame, write_broadcast
from gateway_edge.channels.joined import JoinedChannel
from gateway_edge.channels.slots import Slots
from gateway_edge.channels.telling import write_refusal
from gateway_edge.channels.topics import Deliver, Forsake, Leave, Open, Seat, Send, Step, Topics
from gateway_edge.websocket.application import Socket
from gateway_edge.websocket.codes import POLICY, RESTARTING

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
            self._socket.close(POLICY, str(error))
            return
        self._take(self._topics.receive(frame))

    def drain(self) -> bool:
        """Says that the process stops, as soon as its client can leave without losing a stream that nobody finds elsewhere. Channels stay
        joined: a client that is told they closed would not join anew elsewhere. What runs may end: then it is true that the socket is
        closed behind the last."""
        self._streams.drain(
            tell=lambda: self._socket.send(DRAINING),
            then=lambda: self._socket.close(RESTARTING, "the gateway restarts"),
        )
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
