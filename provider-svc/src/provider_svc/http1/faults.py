"""What goes wrong on the wire. None of the messages holds an address or a byte of what the peer sent."""


class WireFault(Exception):  # noqa: N818  a fault of the wire, named as this project names what can go wrong on it
    """A call over HTTP that did not come to its end. Waiting too long is a plain TimeoutError."""


class NotConnected(WireFault):
    """There is no connection; the message says why."""


class ConnectTimeout(NotConnected):
    """There was no connection in time; the message says what was waited for."""


class QueueFull(WireFault):
    """All connections are in use, and as many calls as may wait for one are waiting. Nothing was begun."""


class ClosedEarly(WireFault):
    """The connection ended before the answer did.

    `is_repeatable`: a connection that was used before broke without one byte of an answer, and part of the request never
    left this process. A request that is not whole cannot have been processed (RFC 9112, section 8), so it may be sent
    again although it is a POST (RFC 9110, section 9.2.2).
    """

    def __init__(self, *, is_repeatable: bool = False) -> None:
        super().__init__("the connection ended before the answer did")
        self.is_repeatable = is_repeatable


class Malformed(WireFault):
    """What came is not HTTP/1.1, or not within its bounds; the message says what is wrong with it."""
