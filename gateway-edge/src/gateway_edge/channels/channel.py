"""The border between a joined topic and what is done in it. A topic is `<kind>:<name>`; who does its kind is asked when it is joined.

class Echo:
    def received(self, event, payload, answer):
        answer.ok(payload.data)
    def left(self): ...
    def closed(self): ...

async def join_echo(channel, payload):   # an `OpenTopic`: {"echo": join_echo}
    return Joined(Echo())
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, NamedTuple, Protocol, TypeVar

import msgspec

from chassis.errors import Reason, RunestoneError
from gateway_edge.callers.session import Session
from gateway_edge.channels.frames import EMPTY
from gateway_edge.channels.slots import Slots
from gateway_edge.websocket.application import Socket

T = TypeVar("T")


class Payload(NamedTuple):
    """What came with a message: JSON, or any bytes where it `is_binary`."""

    data: bytes
    is_binary: bool = False

    def read(self, kind: type[T]) -> T:
        """The JSON as `kind`, whose unknown members are passed over. Raises INVALID_REQUEST where it does not fit."""
        if self.is_binary:
            raise RunestoneError(Reason.INVALID_REQUEST, "this message takes JSON")
        try:
            return msgspec.json.decode(self.data, type=kind)
        except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
            raise RunestoneError(Reason.INVALID_REQUEST, f"the payload does not fit: {error}") from error


class Answer(Protocol):
    """The reply to one message, given once: what follows does nothing. A channel that is no longer joined answers nobody."""

    def ok(self, response: bytes = EMPTY) -> None:
        """Replies with JSON."""

    def ok_binary(self, response: bytes) -> None:
        """Replies with bytes of any kind."""

    def error(self, error: RunestoneError) -> None:
        """Replies that it failed: `{reason, error, status, retry_after_ms?}`."""


class Channel(Protocol):
    """A topic that one connection has joined. Its methods are for the event loop's thread, and do nothing once it is over.

    `name` is the topic without its kind; `streams` bounds those of the whole connection."""

    topic: str
    name: str
    join_ref: str | None
    session: Session
    socket: Socket
    streams: Slots

    @property
    def is_open(self) -> bool:
        """Whether the topic is joined, or just being joined, and its socket open."""

    def push(self, event: str, payload: bytes = EMPTY) -> None:
        """Sends a message of JSON. Who sends much awaits `socket.drain` between; what is the same for many is
        `frames.write_broadcast`, framed once, and `socket.send_frame`."""

    def push_binary(self, event: str, payload: bytes) -> None:
        """Sends a message of any bytes."""

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Runs `work` as long as the topic is joined: it is cancelled with `left` and `closed`. What it raises, other than
        ConnectionError, ends the channel with `phx_error`."""

    def close(self) -> None:
        """Ends the channel with `phx_close`, after which the client does not join by itself. The handler is told `closed`."""


class Handler(Protocol):
    """What is done in a topic that is joined, by one connection. Exactly one of `left` and `closed` is the last that it is told. What it
    raises ends the channel with `phx_error`, and the client joins anew."""

    def received(self, event: str, payload: Payload, answer: Answer) -> None:
        """A message came. What takes time is `Channel.spawn`ed; the answer may be given then."""

    def left(self) -> None:
        """The client left on purpose."""

    def closed(self) -> None:
        """It is over otherwise: the connection is gone, the topic was joined anew, the channel ended."""


class Joined(NamedTuple):
    """A topic that may be joined: who handles it, and what the join is answered with (JSON). Messages that the handler pushes before
    it is told anything come behind that answer when they are sent by a task of `Channel.spawn`."""

    handler: Handler
    response: bytes = EMPTY


class OpenTopic(Protocol):
    """Makes a channel of a topic that is to be joined. Cancelled when the client leaves meanwhile, or joins anew."""

    async def __call__(self, channel: Channel, payload: Payload) -> Joined:
        """Raises RunestoneError, which the join is answered with, where it may not be joined."""
