"""Opens connections that speak Phoenix Channels V2."""

from collections.abc import Callable, Mapping

from chassis.clock import Clock
from chassis.config.schema import WebSocketDoor
from chassis.errors import Reason, RunestoneError
from chassis.gcra import Rate, decide
from chassis.logs import Logger
from gateway_edge.channels.channel import OpenTopic
from gateway_edge.channels.connection import Connection
from gateway_edge.channels.slots import Slots
from gateway_edge.channels.topics import Topics
from gateway_edge.websocket.application import Socket
from gateway_edge.websocket.place import Place

PATH, SUBPROTOCOL = "/socket/websocket", "phoenix"
SECOND = 1_000_000  # microseconds


class ChannelsDoor:
    """Speaks on sockets; `kinds` of topics can be joined. The `door`'s bounds are those in force."""

    def __init__(
        self, kinds: Mapping[str, OpenTopic], door: Callable[[], WebSocketDoor], *, clock: Clock, log: Logger
    ) -> None:
        self._kinds = kinds
        self._door = door
        self._clock = clock
        self._log = log

    @property
    def place(self) -> Place:
        """Where it is."""
        return Place(path=PATH, open=self.open, subprotocols=(SUBPROTOCOL,))

    def open(self, socket: Socket) -> Connection:
        """What is spoken on `socket`: an `Open` of the table of paths. Raises PERMISSION_DENIED for another version of the protocol."""
        check_version(socket.parameters)
        topics = Topics(self._kinds, lambda: self._door().max_channels, JoinPace(self._door, self._clock).may_join)
        streams = Slots(lambda: self._door().max_streams)
        return Connection(socket, self._kinds, topics, streams=streams, log=self._log)


class JoinPace:
    """How many joins a connection may make: so many a second, as many at once."""

    __slots__ = ("_arrival", "_clock", "_door")

    def __init__(self, door: Callable[[], WebSocketDoor], clock: Clock) -> None:
        self._door = door
        self._clock = clock
        self._arrival: int | None = None

    def may_join(self) -> bool:
        """Counts one more, unless there were too many."""
        most = self._door().max_joins_per_second
        decision = decide(Rate(most, SECOND, most), self._arrival, int(self._clock.monotonic() * SECOND), 1)
        self._arrival = decision.arrival
        return decision.is_admitted


def check_version(parameters: Mapping[str, str]) -> None:
    """Raises PERMISSION_DENIED (403, as Phoenix) for a client that speaks another version than 2; without `vsn` it speaks the first."""
    version = parameters.get("vsn", "1.0.0")
    if version.partition(".")[0] != "2":
        message = "this socket speaks version 2 of Phoenix' channels: connect with `vsn=2.0.0`"
        raise RunestoneError(Reason.PERMISSION_DENIED, message, code="unsupported_version")
