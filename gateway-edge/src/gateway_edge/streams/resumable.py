"""The way back of a call that goes on while its client is away."""

import asyncio
from collections.abc import Awaitable
from typing import Protocol

from chassis.errors import RunestoneError
from gateway_edge.call import Call
from gateway_edge.door.intake import STREAM_HEADER
from gateway_edge.door.running import LastReply
from gateway_edge.inner.reply import DiscardingReply
from gateway_edge.reply import Reply
from gateway_edge.streams.gates import Gate
from gateway_edge.streams.note import StreamNote
from gateway_edge.streams.notes import describe_stream
from gateway_edge.streams.numbering import Numbering, Sequence
from gateway_edge.streams.reply import StreamReply


class Owner(Protocol):
    """Who runs the call."""

    @property
    def has_room(self) -> bool:
        """Whether one more call may go on without its client."""

    def note_left(self, call: Call) -> None:
        """The client of `call` is gone, and the call goes on."""


class Keeping(Protocol):
    """What it needs of `StreamNotes`."""

    def keep(self, call: Call, note: StreamNote) -> "asyncio.Task[bool]":
        """Begins to keep a note; whether that worked is the task's result."""


class GoneReply(DiscardingReply):
    """In place of the reply to a client that is gone: it was sent so much, and then nothing."""

    def __init__(self, before: Reply) -> None:
        super().__init__()
        self.headers = before.headers
        self.bytes_sent = before.bytes_sent
        self.first_byte_at = before.first_byte_at
        self.has_begun = before.has_begun


class ResumableReply(StreamReply):
    """Numbers the events of a stream, and says its id, which is the call's. Any other answer passes as if nobody had asked for more.

    Nothing is sent before the note is kept by which the stream is found; where that cannot be, the answer is an ordinary one. `leave` sends
    what follows to nobody; so does a client that turns out to be gone while it is written to.
    """

    inner: LastReply

    def __init__(self, call: Call, inner: LastReply, gate: Gate, notes: Keeping, owner: Owner) -> None:
        super().__init__(inner, gate, Numbering())
        self._call = call
        self._notes = notes
        self._owner = owner
        self._note: StreamNote | None = None
        self._keeping: asyncio.Task[bool] | None = None
        self._sender: asyncio.Task[object] | None = None
        self._is_events = self._is_plain = False
        self._is_left = self._is_interrupted = False

    @property
    def is_whole(self) -> bool:
        """Whether the end was sent, to whomever."""
        return self.inner.is_whole

    @property
    def may_leave(self) -> bool:
        """Whether the client can come back: it has been told the id, and the stream is found under that."""
        if self._is_plain or self._keeping is None or not self.inner.has_begun or self.inner.is_whole:
            return False
        return self._owner.has_room and (not self._keeping.done() or _is_kept(self._keeping))

    def expect_events(self) -> None:
        """Says the stream's id; from now on a ping may begin the answer."""
        self._begin_keeping()
        self.inner.expect_events()

    async def write(self, events: bytes) -> None:
        """Sends events with their numbers."""
        if not (self._is_events or self._is_plain):
            await self._find_out()
        await self._send(super().write(events))

    async def send(self, body: bytes, content_type: str = "application/json", status: int = 200) -> None:
        """Sends a whole answer, which cannot be resumed."""
        self._be_plain()
        await self.inner.send(body, content_type, status)

    async def begin(self, content_type: str) -> None:
        """Passes on what kind of body follows, which cannot be resumed."""
        self._be_plain()
        await self.inner.begin(content_type)

    async def close(self) -> None:
        """Ends the stream; for nobody where the client leaves meanwhile."""
        await self._send(super().close())
        if not self.inner.is_whole:
            await self.inner.close()

    async def fail(self, error: RunestoneError) -> None:
        """Tells whoever is there."""
        if not self.inner.has_begun:
            self._be_plain()
        await self.inner.fail(error)

    def stop_pinging(self) -> None:
        """Stops what still runs for this reply."""
        self.inner.stop_pinging()

    def leave(self) -> bool:
        """The client is gone: what follows is sent to nobody, also what waits to be sent. False where the call has to end with it."""
        if self._is_left:
            return True
        if not self.may_leave:
            return False
        self._is_left = True
        self.inner.stop_pinging()
        self.inner = GoneReply(self.inner)
        if self._sender is not None:
            self._is_interrupted = True
            self._sender.cancel()
        self._owner.note_left(self._call)
        return True

    async def _send(self, sending: Awaitable[None]) -> None:
        """As `asyncio.timeout` does: a cancellation of our own ends what waits, and no more than that."""
        self._sender = task = asyncio.current_task()
        assert task is not None
        before = task.cancelling()
        try:
            await sending
        except asyncio.CancelledError:
            if not self._is_interrupted or task.uncancel() > before:
                raise
        except ConnectionError:
            self._sender = None
            if not self.leave():
                raise
        finally:
            self._sender, self._is_interrupted = None, False

    def _begin_keeping(self) -> None:
        """What was noted before, and is no longer so, is noted again: a question that was to be asked may be answered out of the cache."""
        if self._call.outcome.replay_of:  # whoever asks again with its key gets all of it again
            self._be_plain()
            return
        note = describe_stream(self._call)
        if note != self._note:
            self._note = note
            self._keeping = self._notes.keep(self._call, note)
            if not self.inner.has_begun:
                self.headers[STREAM_HEADER] = self._call.id

    async def _find_out(self) -> None:
        """Whether events get numbers: when they are found by them."""
        self._begin_keeping()
        if not self._is_plain and self._keeping is not None:
            await asyncio.wait([self._keeping])
            self._is_events = _is_kept(self._keeping)
        if not self._is_events:
            self._be_plain()

    def _be_plain(self) -> None:
        self._is_plain = True
        self.headers.pop(STREAM_HEADER, None)


class BackgroundReply(ResumableReply):
    """That of a response in the background. Its client asks for it by the response's own id, and counts by the events' own numbers; what
    turns out to be none is an ordinary answer."""

    def __init__(self, call: Call, inner: LastReply, gate: Gate, notes: Keeping, owner: Owner) -> None:
        super().__init__(call, inner, gate, notes, owner)
        self._taking = Sequence(None)

    def _begin_keeping(self) -> None:
        if not self._call.is_resumable:
            self._be_plain()
            return
        super()._begin_keeping()
        self.headers.pop(STREAM_HEADER, None)


def _is_kept(keeping: "asyncio.Task[bool]") -> bool:
    return not keeping.cancelled() and keeping.exception() is None and keeping.result()
