"""The way back of a call that was asked by a message: as numbered events, or as one document."""

from collections.abc import Sequence
from time import monotonic
from typing import Protocol

from chassis.errors import Reason, RunestoneError
from gateway_edge.channels.numbering import Numbered, Numbering, show
from gateway_edge.endpoints.voices import OPENAI


class Sink(Protocol):
    """Where the events of one stream go. Each is told once at most, and in this order."""

    def admit(self) -> None:
        """The call is valid and within its limits; what follows is an answer."""

    def start(self, headers: dict[str, str]) -> None:
        """The answer begins: who gives it."""

    async def deliver(self, events: Sequence[Numbered]) -> None:
        """The next events. Whoever waits here holds the provider back. Raises ConnectionError when nobody is there."""

    def fail(self, error: RunestoneError) -> None:
        """It ends without being whole, wherever it is; the end of a whole one is the call's outcome."""


class _MessageReply:
    """What both have in common: a `LastReply` whose client is told by others, and in one voice whatever the endpoint's."""

    def __init__(self) -> None:
        self.voice = OPENAI
        self.headers: dict[str, str] = {}
        self.bytes_sent = 0
        self.first_byte_at: float | None = None
        self.has_begun = False
        self.is_whole = False

    def expect_events(self) -> None:
        """Nothing has to be sent meanwhile: the connection has heartbeats of its own."""

    def stop_pinging(self) -> None:
        """Nothing runs for it."""

    def _note(self, size: int) -> None:
        self.has_begun = True
        if self.first_byte_at is None:
            self.first_byte_at = monotonic()
        self.bytes_sent += size


class StreamReply(_MessageReply):
    """Numbers an answer's events behind `last`, and hands them to `sink`. An answer that is a document is its only event."""

    def __init__(self, sink: Sink, last: int = 0) -> None:
        super().__init__()
        self._sink = sink
        self._numbering = Numbering(last)
        self._is_admitted = self._has_started = False

    @property
    def last(self) -> int:
        """The number of the last event so far."""
        return self._numbering.last

    def expect_events(self) -> None:
        """The call was admitted, and its provider is asked."""
        if not self._is_admitted:
            self._is_admitted = self.has_begun = True  # its client knows the call by now, and may come back for it
            self._sink.admit()

    async def send(self, body: bytes, content_type: str = "application/json", status: int = 200) -> None:  # noqa: ARG002  a reply's signature
        """Hands a document on as one event. Raises RuntimeError where a stream has begun."""
        if self._has_started:
            raise RuntimeError("a stream has begun; it cannot become a document")
        self._begin()
        self._note(len(body))
        seq = self._numbering.last = self._numbering.last + 1
        await self._sink.deliver([Numbered(seq, seq, "", show(body))])
        self.is_whole = True

    async def begin(self, content_type: str) -> None:
        """Raises INVALID_REQUEST: what is no events has no numbers either."""
        message = (
            f"this is answered with {content_type[:64]}, which is no stream of events: ask for it with `chat:message`"
        )
        raise RunestoneError(Reason.INVALID_REQUEST, message)

    async def write(self, events: bytes) -> None:
        """Hands events on."""
        if not events or self.is_whole:
            return
        if not self._has_started:
            self._begin()
        self._note(len(events))
        if numbered := self._numbering.cut(events):
            await self._sink.deliver(numbered)

    async def close(self) -> None:
        """The stream is whole."""
        if not self._has_started:
            self._begin()
        self.is_whole = True

    async def fail(self, error: RunestoneError) -> None:
        """Tells of the error at once, also behind a gate."""
        if not self.is_whole:
            self._sink.fail(error)

    def _begin(self) -> None:
        self.expect_events()
        self._has_started = True
        self._sink.start(self.headers)


class DocumentReply(_MessageReply):
    """Gathers an answer of at most `most` bytes: `body` and `content_type`, once it `is_whole`; or `error`."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.body = b""
        self.content_type = ""
        self.error: RunestoneError | None = None
        self._most = most
        self._parts: list[bytes] = []

    async def send(self, body: bytes, content_type: str = "application/json", status: int = 200) -> None:  # noqa: ARG002  a reply's signature
        """Takes a whole answer. Raises PROVIDER_INVALID_ANSWER when it is too large."""
        self.content_type = content_type
        await self.write(body)
        await self.close()

    async def begin(self, content_type: str) -> None:
        """Takes what kind of body follows."""
        self.content_type = content_type

    async def write(self, events: bytes) -> None:
        """Takes a part. Raises PROVIDER_INVALID_ANSWER when they are too large together."""
        self._note(len(events))
        if self.bytes_sent > self._most:
            message = f"the answer is larger than the {self._most} bytes that one message may have: ask over HTTP"
            raise RunestoneError(Reason.PROVIDER_INVALID_ANSWER, message)
        self._parts.append(events)

    async def close(self) -> None:
        """It is whole."""
        self.has_begun = self.is_whole = True
        self.body, self._parts = b"".join(self._parts), []

    async def fail(self, error: RunestoneError) -> None:
        """Keeps what went wrong; what came before it is no answer."""
        if not self.is_whole:
            self.error, self._parts = error, []
