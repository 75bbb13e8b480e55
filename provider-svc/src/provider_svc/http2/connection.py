"""One connection to a server that carries many exchanges at a time."""

import asyncio
from collections.abc import Callable
from typing import cast

from h2.errors import ErrorCodes
from h2.events import (
    DataReceived,
    Event,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)

from provider_svc.http1.faults import ClosedEarly, Malformed, WireFault
from provider_svc.http2.dialogue import WINDOW, Dialogue
from provider_svc.http2.frames import Goaway
from provider_svc.http2.stream import Stream


class SharedConnection(asyncio.Protocol):
    """A connection that a pool keeps. `on_lost` is called once, when it is closed for whatever reason; `on_change` when a
    stream was left, or the server allows another number of them.

    `empty_since` is the loop time at which its last stream was left, and `is_draining` whether no other will be begun on it.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        on_lost: "Callable[[SharedConnection], None]",
        on_change: "Callable[[SharedConnection], None]",
    ) -> None:
        self.is_open = False
        self.is_draining = False
        self.peer: tuple[str, int] | None = None
        self.born = self.empty_since = loop.time()
        self.exchanges = 0
        self._loop = loop
        self._on_lost = on_lost
        self._on_change = on_change
        self._dialogue = Dialogue()
        self._streams: set[Stream] = set()
        self._begun: dict[int, Stream] = {}
        self._blocked: set[Stream] = set()  # whose requests wait for room
        self._is_choked = self._will_flush = False

    # What the pool calls.

    @property
    def is_settled(self) -> bool:
        """Whether the server has said how many streams it allows."""
        return self._dialogue.is_settled

    def count_room(self) -> int:
        """How many streams may be lent now."""
        return max(0, self._dialogue.most_streams - len(self._streams)) if self.is_open and not self.is_draining else 0

    def count_streams(self) -> int:
        """How many are lent."""
        return len(self._streams)

    def lend(self) -> Stream:
        """A stream for one exchange, to be released."""
        stream = Stream(self, self._loop)
        self._streams.add(stream)
        return stream

    def drain(self) -> None:
        """Begins nothing any more, and closes when the last stream was left."""
        self.is_draining = True
        if not self._streams:
            self.abort()

    def abort(self) -> None:
        """Closes the socket at once; who waits for an answer is told."""
        if self.is_open:
            self._transport.abort()
            self._close(None)

    # What streams call.

    def begin(self, stream: Stream, head: bytes, *, ends: bool) -> int:
        """Sends a request's head; the stream's number. Raises ClosedEarly, to be repeated, where that is too late."""
        if not self.is_open or self.is_draining:
            raise ClosedEarly(is_repeatable=True)
        number = self._dialogue.begin(head, ends=ends)
        self.exchanges += 1
        self._begun[number] = stream
        self._flush_soon()
        return number

    def send(self, stream: Stream, data: memoryview) -> int:
        """Sends as much as there is room for; how much that was. Who got none is woken when there is some."""
        can_send = self._begun.get(stream.id) is stream and not self._is_choked
        sent = self._dialogue.send(stream.id, data) if can_send else 0
        if sent:
            self._flush()
        else:
            self._blocked.add(stream)
        return sent

    def return_room(self, stream: Stream, length: int) -> None:
        """The stream's reader has taken so much: when that is half a window, its server may send as much again."""
        stream.taken += length
        if stream.taken >= WINDOW // 2 and self._begun.get(stream.id) is stream and not stream.reply.is_whole:
            self._dialogue.return_room(stream.id, stream.taken)
            stream.taken = 0
            self._flush_soon()

    def leave(self, stream: Stream) -> None:
        """The exchange is over; what of it is not is cancelled."""
        self._streams.discard(stream)
        self._blocked.discard(stream)
        is_open = self._begun.pop(stream.id, None) is not None and self.is_open
        if is_open and not (stream.reply.is_whole and stream.is_sent):
            self._dialogue.cancel(stream.id)
            self._flush()
        if not self._streams:
            self.empty_since = self._loop.time()
            if self.is_draining:
                self.abort()
        if self.is_open:
            self._on_change(self)

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        self.peer = peer[:2] if isinstance(peer, tuple) else None
        self.is_open = True
        self._dialogue.open()
        self._flush()

    def data_received(self, data: bytes) -> None:
        if not self.is_open:
            return
        touched: dict[Stream, None] = {}
        try:
            for event in self._dialogue.receive(data):
                self._hear(event, touched)
        except Malformed as fault:
            self._break(fault)
            return
        self._flush()
        for stream in touched:
            stream.move_on()

    def eof_received(self) -> None:
        """Lets the transport close."""

    def connection_lost(self, exc: Exception | None) -> None:
        self._close(exc)

    def pause_writing(self) -> None:
        self._is_choked = True

    def resume_writing(self) -> None:
        self._is_choked = False
        self._unblock()

    # The rest is between the two.

    def _hear(self, event: Event | Goaway, touched: dict[Stream, None]) -> None:
        if isinstance(event, DataReceived | ResponseReceived | StreamEnded):
            if (stream := self._begun.get(event.stream_id)) is not None:
                _bring(event, stream)
                touched[stream] = None
        elif isinstance(event, StreamReset):
            self._hear_reset(event)
        elif isinstance(event, RemoteSettingsChanged):
            self._unblock()
            self._on_change(self)
        elif isinstance(event, WindowUpdated):
            self._unblock()
        elif isinstance(event, Goaway):
            self._hear_goaway(event)

    def _hear_reset(self, event: StreamReset) -> None:
        """RFC 9113, section 8.7: what was refused was not begun. Behind a whole answer a reset says only that the rest of the
        request is not wanted (section 8.1)."""
        stream = self._begun.pop(event.stream_id, None)
        if stream is None:
            return
        if event.remote_reset:
            is_refused = event.error_code == ErrorCodes.REFUSED_STREAM and not stream.reply.has_head
            stream.fail(ClosedEarly(is_repeatable=is_refused))
        else:
            stream.fail(Malformed("a stream that HTTP/2 does not allow"))

    def _hear_goaway(self, goaway: Goaway) -> None:
        """What the server has not begun may be repeated elsewhere; the rest goes on."""
        self.is_draining = True
        for number in [number for number in self._begun if number > goaway.last_stream]:
            self._begun.pop(number).fail(ClosedEarly(is_repeatable=True))
        if self._streams:
            self._on_change(self)
        else:
            self.abort()

    def _unblock(self) -> None:
        blocked, self._blocked = self._blocked, set()
        for stream in blocked:
            stream.move_on()

    def _flush_soon(self) -> None:
        """What is begun in one turn of the loop goes together."""
        if not self._will_flush:
            self._will_flush = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._will_flush = False
        if self.is_open and (data := self._dialogue.take_output()):
            self._transport.write(data)

    def _break(self, fault: WireFault) -> None:
        """The server does not keep to the protocol: nothing that it says on this connection can be believed."""
        for stream in list(self._begun.values()):
            stream.fail(fault)
        self._flush()
        self.abort()

    def _close(self, exc: Exception | None) -> None:
        """Notes that the socket is gone."""
        if not self.is_open:
            return
        self.is_open = False
        for stream in self._streams:
            stream.fail_with_connection(exc)
        self._begun.clear()
        self._on_lost(self)

    def __repr__(self) -> str:
        state = "draining" if self.is_draining else "open" if self.is_open else "closed"
        return f"SharedConnection({state}, {len(self._streams)} streams, {self.exchanges} exchanges)"


def _bring(event: DataReceived | ResponseReceived | StreamEnded, stream: Stream) -> None:
    """Adds to a stream's answer. Padding is taken by nobody, so its room goes back with that of the next bytes."""
    if isinstance(event, DataReceived):
        stream.reply.add(event.data)
        stream.taken += event.flow_controlled_length - len(event.data)
    elif isinstance(event, ResponseReceived):
        stream.reply.read_head(event.headers)
    else:
        stream.reply.is_whole = stream.reply.has_head
