"""The topics of one connection: which are joined, and what each frame does to them, as Phoenix' `Phoenix.Socket` has it. Pure: a frame
in, what is to be done out.

Only the topic says what a frame is about; the reference of the join says whether it still is: a client that joined anew may have
frames of the old join on their way.
"""

from collections.abc import Callable, Container
from typing import NamedTuple

from gateway_edge.channels.frames import EMPTY, Frame, write_about_join, write_reply

UNMATCHED = b'{"reason":"unmatched topic"}'
TOO_MANY_CHANNELS = b'{"reason":"too many channels joined"}'
TOO_MANY_JOINS = b'{"reason":"too many joins"}'
TOO_HASTY = b'{"reason":"the join is not answered yet"}'
CRASHED = b'{"reason":"channel_crash"}'
MOST_WAITING = 32  # messages of a client that does not wait until its join is answered
MOST_WAITING_BYTES = 1 << 20  # of all that wait so on one connection; one message of any size may

JOIN, LEAVE, CLOSE, ERROR = "phx_join", "phx_leave", "phx_close", "phx_error"


class Seat:
    """A topic that is joined, or about to be; `waiting` are messages that came before the join was answered."""

    __slots__ = ("is_joined", "join", "waiting")

    def __init__(self, join: Frame) -> None:
        self.join = join
        self.is_joined = False
        self.waiting: list[Frame] = []

    def owns(self, frame: Frame) -> bool:
        """Whether `frame` is meant for this join; one without its reference is."""
        return frame.join_ref is None or frame.join_ref == self.join.join_ref


class Send(NamedTuple):
    """Send `text` to the client."""

    text: bytes


class Open(NamedTuple):
    """Ask whether the topic may be joined; then `accept`, or `refuse`."""

    seat: Seat


class Deliver(NamedTuple):
    """Give the frame to the handler of its topic."""

    seat: Seat
    frame: Frame


class Leave(NamedTuple):
    """The client left."""

    seat: Seat


class Forsake(NamedTuple):
    """The seat is taken by another join."""

    seat: Seat


Step = Send | Open | Deliver | Leave | Forsake


class Topics:
    """`kinds` are those of topics that can be joined, what stands before the first colon; no more than `most()` at a time. `may_join` is
    asked once a join, and may say that there were too many of late."""

    def __init__(self, kinds: Container[str], most: Callable[[], int], may_join: Callable[[], bool]) -> None:
        self._kinds = kinds
        self._most = most
        self._may_join = may_join
        self._seats: dict[str, Seat] = {}

    def receive(self, frame: Frame) -> list[Step]:
        """What `frame` asks for, in order."""
        if frame.topic == "phoenix" and frame.event == "heartbeat":
            return [Send(write_reply(frame, "ok", is_matched=False))]
        receive = _RECEIVE.get(frame.event, Topics._receive_message)
        return receive(self, frame, self._seats.get(frame.topic))

    def accept(self, seat: Seat, response: bytes) -> list[Step]:
        """The topic is joined: its client is told, and what waited is delivered. Nothing when the client did not wait."""
        if not self.holds(seat):
            return []
        seat.is_joined = True
        waiting, seat.waiting = seat.waiting, []
        return [Send(write_reply(seat.join, "ok", response)), *(Deliver(seat, frame) for frame in waiting)]

    def refuse(self, seat: Seat, response: bytes) -> list[Step]:
        """The topic may not be joined."""
        if not self.holds(seat):
            return []
        del self._seats[seat.join.topic]
        return [Send(write_reply(seat.join, "error", response)), *map(_ignore, seat.waiting)]

    def crash(self, seat: Seat) -> list[Step]:
        """What handles the topic failed: its client is told, and joins anew."""
        if not seat.is_joined:
            return self.refuse(seat, b'{"reason":"join crashed"}')
        return self._end(seat, ERROR, CRASHED)

    def close(self, seat: Seat) -> list[Step]:
        """The channel ends by itself: its client is told, and does not join anew."""
        return self._end(seat, CLOSE)

    def _receive_join(self, frame: Frame, seat: Seat | None) -> list[Step]:
        steps: list[Step] = [] if seat is None else [Forsake(seat), *self._end(seat, CLOSE)]
        kind, colon, name = frame.topic.partition(":")
        if not colon or not name or kind not in self._kinds:
            return [*steps, _ignore(frame)]
        if len(self._seats) >= self._most():
            return [*steps, Send(write_reply(frame, "error", TOO_MANY_CHANNELS))]
        if not self._may_join():
            return [*steps, Send(write_reply(frame, "error", TOO_MANY_JOINS))]
        opened = self._seats[frame.topic] = Seat(frame)
        return [*steps, Open(opened)]

    def _receive_leave(self, frame: Frame, seat: Seat | None) -> list[Step]:
        """Leaving what was not joined is fine, too."""
        if seat is None:
            return [Send(write_reply(frame, "ok"))]
        if not seat.owns(frame):
            return []  # it raced with our own close, which was sent
        return [Leave(seat), Send(write_reply(frame, "ok")), *self._end(seat, CLOSE)]

    def _receive_message(self, frame: Frame, seat: Seat | None) -> list[Step]:
        if seat is None:
            return [_ignore(frame)]
        if not seat.owns(frame):
            return []
        if seat.is_joined:
            return [Deliver(seat, frame)]
        if len(seat.waiting) >= MOST_WAITING or self._is_too_much(frame):
            return [Send(write_reply(frame, "error", TOO_HASTY))]
        seat.waiting.append(frame)
        return []

    def _is_too_much(self, frame: Frame) -> bool:
        waiting = sum(len(one.payload) for seat in self._seats.values() for one in seat.waiting)
        return waiting > 0 and waiting + len(frame.payload) > MOST_WAITING_BYTES

    def _end(self, seat: Seat, event: str, payload: bytes = EMPTY) -> list[Step]:
        if not self.holds(seat):
            return []
        join = seat.join
        del self._seats[join.topic]
        return [Send(write_about_join(join.join_ref, join.topic, event, payload))]

    def holds(self, seat: Seat) -> bool:
        """Whether that join is still good."""
        return self._seats.get(seat.join.topic) is seat

    def __len__(self) -> int:
        return len(self._seats)


_RECEIVE: dict[str, Callable[[Topics, Frame, Seat | None], list[Step]]] = {
    JOIN: Topics._receive_join,  # noqa: SLF001  its own table
    LEAVE: Topics._receive_leave,  # noqa: SLF001  its own table
}


def _ignore(frame: Frame) -> Step:
    return Send(write_reply(frame, "error", UNMATCHED, is_matched=False))
