"""The border between a WebSocket and what is spoken on it."""

from collections.abc import Callable, Mapping
from typing import Protocol

from gateway_edge.callers.session import Session


class Socket(Protocol):
    """An open WebSocket, as what is spoken on it sees it. Its methods are for the event loop's thread.

    `session` says whose it is, `path` and `parameters` (of the query, decoded) are the handshake's, `headers` too, in lower case.
    """

    session: Session
    path: str
    parameters: Mapping[str, str]
    headers: Mapping[str, str]

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent: neither side has begun to close."""

    @property
    def buffered(self) -> int:
        """Bytes that wait to be read by the client."""

    def send(self, text: bytes) -> None:
        """Sends a text message, UTF-8, behind what waits. Nothing once it is not open. Who sends much awaits `drain` between."""

    def send_binary(self, data: bytes) -> None:
        """Sends a binary message, as `send` does."""

    def send_frame(self, frame: bytes) -> None:
        """Sends a message that was framed already (`framing.frame_text`): so one that goes to many is encoded once."""

    async def drain(self) -> None:
        """Waits while the client has more waiting than it may. Raises ConnectionResetError when it is gone. A client that does not read
        within the time it has is closed with 1013."""

    def pause_reading(self) -> None:
        """Reads nothing more from the client for now: its TCP waits."""

    def resume_reading(self) -> None:
        """Reads on."""

    def close(self, code: int, reason: str = "") -> None:
        """Begins to close (RFC 6455, section 7): the peer has a moment to answer. `reason` is cut to the 123 bytes that fit. Harmless
        when it is closing already."""


class Application(Protocol):
    """What is spoken on a WebSocket. It is told synchronously, and starts tasks for what takes time."""

    def received(self, message: str | bytes) -> None:
        """A whole message came: text or binary."""

    def drain(self) -> bool | None:
        """The process stops: it may say so. The socket is closed with 1012 behind, unless it answers True: then it closes the socket itself
        as soon as what runs on it has ended, and at the end of the grace it is closed with 1001. Asked again before it is closed: something
        may have begun meanwhile."""

    def closed(self, code: int, reason: str) -> None:
        """The socket is closed, by whom and however: 1006 where no close frame came. The last call."""


# Raises RunestoneError to refuse the handshake: it is answered as an HTTP request's. What is sent on the socket before it returns
# goes behind the handshake's answer.
Open = Callable[[Socket], Application]
