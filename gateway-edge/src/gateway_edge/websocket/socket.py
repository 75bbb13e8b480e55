"""One WebSocket: a connection on which whole messages go both ways until one side closes it (RFC 6455).

It takes the transport over from the connection that the handshake came on. Callbacks only change state and tell the application; nobody
waits but who sends much (`drain`).
"""

import asyncio
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Protocol

from chassis.logs import Logger
from gateway_edge.callers.session import Session
from gateway_edge.http1.connection import Registry
from gateway_edge.websocket.application import Application
from gateway_edge.websocket.codes import ABNORMAL, GOING_AWAY, INTERNAL, NO_STATUS, POLICY, TRY_LATER
from gateway_edge.websocket.deflate import WORTH, deflate, inflate
from gateway_edge.websocket.framing import PING, frame_binary, frame_close, frame_compressed, frame_pong, frame_text
from gateway_edge.websocket.outbox import Outbox
from gateway_edge.websocket.pace import Pace
from gateway_edge.websocket.patience import NEVER, Patience
from gateway_edge.websocket.reading import Closing, MessageReader, PeerError, Ping, Pong
from gateway_edge.websocket.terms import Terms
from gateway_edge.websocket.traffic import Traffic

AT_ONCE = 32  # messages of one connection that are handled in one turn of the loop
LINGER = 1.0  # seconds in which a peer reads why it was given up, where only the end of the connection can follow


class State(Enum):
    """Where it is between its two ends."""

    OPENING = 0
    OPEN = 1
    CLOSING = 2  # a close frame was sent or received
    CLOSED = 3


class Keeper(Protocol):
    """Who keeps the open sockets and counts what passes."""

    log: Logger

    def add(self, socket: "WebSocket") -> None:
        """A socket was opened."""

    def remove(self, socket: "WebSocket", code: int) -> None:
        """It is closed, with `code`."""


class WebSocket(asyncio.Protocol):
    """The edge's own `Socket` (see `application`). `expires_at` is the loop time at which it has been silent, or closing, for too long;
    whoever keeps the connections ends it then."""

    __slots__ = (
        "_application",
        "_end",
        "_is_compressed",
        "_is_deaf",
        "_is_going_on",
        "_is_held",
        "_keeper",
        "_loop",
        "_outbox",
        "_pace",
        "_patience",
        "_reader",
        "_registry",
        "_state",
        "_terms",
        "_traffic",
        "_transport",
        "client_address",
        "expires_at",
        "headers",
        "is_revoked",
        "parameters",
        "path",
        "session",
    )

    def __init__(
        self,
        session: Session,
        path: str,
        parameters: Mapping[str, str],
        *,
        terms: Terms,
        keeper: Keeper,
        traffic: Traffic,
        client_address: str = "",
        is_compressed: bool = False,
    ) -> None:
        self.session = session
        self.path = path
        self.parameters = parameters
        self.headers: Mapping[str, str] = session.headers
        self.client_address = client_address
        self.expires_at = NEVER
        self.is_revoked = False
        self._terms = terms
        self._keeper = keeper
        self._traffic = traffic
        self._is_compressed = is_compressed
        self._reader = MessageReader(terms.max_message, inflate if is_compressed else None)
        self._pace = Pace(terms.rate)
        self._patience = Patience(terms)
        self._outbox = Outbox(terms.max_buffer, terms.slow_consumer_timeout, self._give_up)
        self._state = State.OPENING
        self._application: Application | None = None
        self._end: tuple[int, str] | None = None  # the first close frame's, whoever sent it
        self._is_deaf = False  # what the peer still sends means nothing any more
        self._is_held = False  # the application reads nothing for now
        self._is_going_on = False  # what was read ahead is handled in the next turn

    # What the application does with it.

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent."""
        return self._state is State.OPEN or (self._state is State.OPENING and self._end is None)

    @property
    def buffered(self) -> int:
        """Bytes that wait to be read by the client, beyond what the kernel took."""
        return self._outbox.size

    def send(self, text: bytes) -> None:
        """Sends a text message; nothing once it is not open."""
        if self._is_compressed and len(text) >= WORTH:
            self.send_frame(frame_compressed(deflate(text), is_text=True))
        else:
            self.send_frame(frame_text(text))

    def send_binary(self, data: bytes) -> None:
        """Sends a binary message; nothing once it is not open."""
        if self._is_compressed and len(data) >= WORTH:
            self.send_frame(frame_compressed(deflate(data), is_text=False))
        else:
            self.send_frame(frame_binary(data))

    def send_frame(self, frame: bytes) -> None:
        """Sends a message that was framed already. A client that does not read, and for which more is sent than may wait without
        anybody awaiting `drain`, is closed with 1013."""
        if not self.is_open:
            return
        self._traffic.sent.inc()
        self._outbox.write(frame)
        if self._outbox.is_overfull:
            self._give_up()

    async def drain(self) -> None:
        """Waits while the client has more waiting than it may. Raises ConnectionResetError when it is closing or gone."""
        while self._outbox.is_choked and self.is_open:
            await self._outbox.wait()
        if not self.is_open:
            raise ConnectionResetError("the client is gone")

    def pause_reading(self) -> None:
        """Handles nothing more of what the client sends for now. Whoever calls it bounds for how long."""
        if not self._is_held and self.is_open:
            self._is_held = True
            self.expires_at = self._patience.hold()
            self._set_reading()

    def resume_reading(self) -> None:
        """Reads on."""
        if self._is_held:
            self._is_held = False
            self._touch()
            self._set_reading()
            self._go_on_soon()

    def close(self, code: int, reason: str = "") -> None:
        """Begins to close; harmless when it is closing already."""
        if self.is_open:
            self._say_close(code, reason)
            self.expires_at = self._loop.time() + self._terms.close_patience if self._state is State.CLOSING else NEVER

    # What whoever keeps the connections does with it.

    @property
    def phase(self) -> str:
        """What it does when it is given up: it is `silent`, or `closing`; empty while it is only to be asked whether it is there."""
        if self._state is not State.OPEN:
            return "closing"
        return "" if self._patience.may_probe else "silent"

    def expire(self, _answer: bytes = b"") -> None:
        """Ends it: a silent peer gets a close frame and a moment, one that closes no more of either."""
        if self._state is not State.OPEN:
            self.abort()
        elif self._patience.may_probe:
            self._outbox.write(PING)
            self.expires_at = self._patience.probe(self._loop.time())
        else:
            self.close(GOING_AWAY, "nothing was heard for too long")

    def abort(self) -> None:
        """Closes the connection at once."""
        if self._state is not State.CLOSED:
            self._transport.abort()

    def close_if_idle(self) -> None:
        """Stays open: who drains closes sockets one after another."""

    def revoke(self, *, at_once: bool) -> None:
        """Its key is no more: it is closed with 1008, at the latest when it sends something."""
        self.is_revoked = True
        if at_once:
            self._close_revoked()

    # What the connection and the loop call.

    def speak(self, application: Application) -> None:
        """Says what is spoken on it, before `take_over`."""
        self._application = application

    def let_go(self) -> None:
        """The client left before it was open."""
        self._state, application = State.CLOSED, self._application
        if application is not None:
            self._tell(application.closed, ABNORMAL, "")

    def tell_of_drain(self) -> bool:
        """Tells what is spoken on it that the process stops; whether it closes the socket itself when it is done."""
        if self._application is None or self._state is not State.OPEN:
            return False
        try:
            return bool(self._application.drain())
        except Exception:  # as in `_tell`
            self._keeper.log.exception("socket crashed", path=self.path)
            return False

    def take_over(self, transport: asyncio.Transport, registry: Registry, rest: bytes) -> None:
        """The handshake is answered: `transport` is its own from now on, with the bytes that came behind the request."""
        self._transport, self._registry = transport, registry
        self._loop = asyncio.get_running_loop()
        self._outbox.open(transport)
        self._state = State.OPEN if self._end is None else State.CLOSING
        self.expires_at = self._loop.time() + self._terms.close_patience
        self._keeper.add(self)
        self._touch()
        if self._is_held:
            self._set_reading()
        if rest:
            self.data_received(rest)

    def data_received(self, data: bytes) -> None:
        if self._is_deaf:
            return
        self._reader.feed(data)
        if not self._is_held and not self._is_going_on:
            self._read_on()
            self._touch()

    def pause_writing(self) -> None:
        self._outbox.choke()

    def resume_writing(self) -> None:
        self._outbox.release()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio's signature
        self._state, self._is_deaf = State.CLOSED, True
        code, reason = self._end or (ABNORMAL, "")
        self._outbox.close()
        self._registry.remove(self)
        self._keeper.remove(self, code)
        application, self._application = self._application, None
        if application is not None:
            self._tell(application.closed, code, reason)

    # Reading.

    def _read_on(self) -> None:
        for _ in range(AT_ONCE):
            if self._is_held or self._is_deaf:
                return
            try:
                event = self._reader.next()
            except PeerError as fault:
                self._fail(fault.code, fault.reason)
                return
            if event is None:
                return
            self._handle(event)
        self._go_on_soon()

    def _go_on_soon(self) -> None:
        """One client's burst is not everybody's wait."""
        if not self._is_going_on and not self._is_deaf and self._state is not State.OPENING:
            self._is_going_on = True
            self._set_reading()
            self._loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        self._is_going_on = False
        if not self._is_deaf:
            self._read_on()
            self._touch()
            self._set_reading()

    def _set_reading(self) -> None:
        if self._state in {State.OPENING, State.CLOSED} or self._transport.is_closing():
            return
        if self._is_held or self._is_going_on:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _handle(self, event: str | bytes | Ping | Pong | Closing) -> None:
        if isinstance(event, Closing):
            self._answer_close(event)
        elif self._state is not State.OPEN:
            return  # it was told that nothing more is listened to
        elif not self._pace.allows(self._loop.time()):
            self.close(POLICY, f"more than {self._terms.rate} messages a second")
        elif self.is_revoked:
            self._close_revoked()
        elif isinstance(event, Ping):
            if (
                not self._outbox.is_choked
            ):  # who does not read needs no answer; the next ping's is as good (section 5.5.2)
                self._outbox.write(frame_pong(event.data))
        elif not isinstance(event, Pong):
            self._traffic.received.inc()
            assert self._application is not None
            self._tell(self._application.received, event)

    def _tell(self, what: Callable[..., None], *said: object) -> None:
        try:
            what(*said)
        except Exception:  # the outermost border of what is spoken on a socket; logged with its traceback
            self._keeper.log.exception("socket crashed", path=self.path)
            self.close(INTERNAL, "internal error")

    def _touch(self) -> None:
        """Something was heard: counts its silence anew, and how long a message has been coming."""
        if self._state is State.OPEN and not self._is_held:
            self.expires_at = self._patience.hear(self._loop.time(), is_between=self._reader.is_between)

    # Writing and closing.

    def _give_up(self) -> None:
        """The client does not read: what waits for it is let go of when its moment to close is over."""
        self.close(TRY_LATER, "the client reads too slowly")

    def _close_revoked(self) -> None:
        self.close(POLICY, "the API key was revoked")

    def _say_close(self, code: int, reason: str) -> None:
        self._end = (code, reason)
        self._outbox.write(frame_close(code, reason))
        if self._state is State.OPEN:
            self._state = State.CLOSING
        self._outbox.release()
        if self._is_held:
            self._is_held = False
            self._set_reading()
            self._go_on_soon()

    def _answer_close(self, event: Closing) -> None:
        """The closing handshake is complete: the server closes the connection (section 7.1.1)."""
        if self._state is State.OPEN:
            self._end = (event.code, event.reason)
            self._state = State.CLOSING
            self._outbox.write(frame_close(0 if event.code == NO_STATUS else event.code))
            self._outbox.release()
        self._is_deaf = True
        self.expires_at = self._loop.time() + self._terms.close_patience
        self._transport.close()

    def _fail(self, code: int, reason: str) -> None:
        """Section 7.1.7. What comes is dropped: closed with bytes unread, the connection would be reset, and the peer never know why."""
        if self._state is State.OPEN:
            self._say_close(code, reason)
        self._is_deaf = True
        can_end = self._transport.can_write_eof()
        self.expires_at = self._loop.time() + (self._terms.close_patience if can_end else LINGER)
        if can_end and not self._transport.is_closing():
            self._transport.write_eof()

    def __repr__(self) -> str:
        return f"WebSocket({self.path}, {self.session!r}, {self._state.name.lower()})"
