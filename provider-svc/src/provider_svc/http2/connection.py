"""One connection to a server that carries many exchanges at a time."""

import asyncio
from collections.abc import Callable
from typing import cast

from h2.config import H2Configuration
from h2.connection import H2Connection
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
from h2.exceptions import H2Error
from h2.settings import SettingCodes, Settings

from provider_svc.http1.faults import ClosedEarly, Malformed, WireFault
from provider_svc.http1.reply import MAX_HEAD
from provider_svc.http2.frames import Goaway, Sieve
from provider_svc.http2.heads import translate_head
from provider_svc.http2.stream import Stream

WINDOW = 256 << 10  # bytes of a body that wait for their reader before its server may send no more of it
SHARED_WINDOW = 64 << 20  # as much of all bodies together: more than streams that stand still can hold
PIECE = 64 << 10  # a larger request is written in pieces, so that it does not hold up the others
MOST_STREAMS = 128  # at once, whatever the server would allow; one before it has said what it allows
MOST_WITHOUT_CONTENT = 256 << 10  # bytes of frames that bring nobody anything: pings, settings, empty pieces

_CONFIGURATION = H2Configuration(client_side=True, header_encoding=None, validate_outbound_headers=False)
_SETTINGS = {
    SettingCodes.ENABLE_PUSH: 0,
    SettingCodes.INITIAL_WINDOW_SIZE: WINDOW,
    SettingCodes.MAX_HEADER_LIST_SIZE: MAX_HEAD,
}


class SharedConnection(asyncio.Protocol):
    """A connection that a pool keeps. `on_lost` is called once, when it is closed for whatever reason; `on_change` when a
    stream was left, or the server allows another number of them.

    `empty_since` is the loop time at which its last stream was left, `is_settled` whether the server has said how many it
    allows, and `is_draining` whether no other will be begun on it.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        on_lost: "Callable[[SharedConnection], None]",
        on_change: "Callable[[SharedConnection], None]",
    ) -> None:
        self.is_open = False
        self.is_draining = False
        self.is_settled = False
        self.peer: tuple[str, int] | None = None
        self.born = self.empty_since = loop.time()
        self.exchanges = 0
        self._loop = loop
        self._on_lost = on_lost
        self._on_change = on_change
        self._h2 = H2Connection(_CONFIGURATION)
        self._sieve = Sieve()
        self._streams: set[Stream] = set()
        self._begun: dict[int, Stream] = {}
        self._blocked: set[Stream] = set()  # whose requests wait for room
        self._most = 1
        self._is_choked = self._will_flush = False
        self._received = 0  # bytes that the connection's window has to get back
        self._without_content = 0

    # What the pool calls.

    def count_room(self) -> int:
        """How many streams may be lent now."""
        return max(0, self._most - len(self._streams)) if self.is_open and not self.is_draining else 0

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
        number = self._h2.get_next_available_stream_id()
        try:
            self._h2.send_headers(number, translate_head(head), end_stream=ends)
        except H2Error as exc:  # the server allows fewer streams than it did
            raise ClosedEarly(is_repeatable=True) from exc
        self.exchanges += 1
        self._begun[number] = stream
        self._flush_soon()
        return number

    def send(self, stream: Stream, data: memoryview) -> int:
        """Sends as much as there is room for, at most 64 KiB; how much that was. Who got none is woken when there is some."""
        room = 0
        if self._begun.get(stream.id) is stream and not self._is_choked:
            room = min(self._h2.local_flow_control_window(stream.id), len(data), PIECE)
        if room <= 0:
            self._blocked.add(stream)
            return 0
        step = self._h2.max_outbound_frame_size
        for start in range(0, room, step):
            end = min(start + step, room)
            self._h2.send_data(stream.id, bytes(data[start:end]), end_stream=end == len(data))
        self._flush()
        return room

    def return_room(self, stream: Stream, length: int) -> None:
        """The stream's reader has taken so much: when that is half a window, its server may send as much again."""
        stream.taken += length
        if stream.taken >= WINDOW // 2 and self._begun.get(stream.id) is stream and not stream.reply.is_whole:
            self._h2.increment_flow_control_window(stream.taken, stream.id)
            stream.taken = 0
            self._flush_soon()

    def leave(self, stream: Stream) -> None:
        """The exchange is over; what of it is not is cancelled."""
        self._streams.discard(stream)
        self._blocked.discard(stream)
        if self._begun.pop(stream.id, None) is not None and self.is_open:
            self._cancel(stream)
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
        self._h2.local_settings = Settings(client=True, initial_values=_SETTINGS)
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(SHARED_WINDOW)
        self._flush()

    def data_received(self, data: bytes) -> None:
        if not self.is_open:
            return
        touched: dict[Stream, None] = {}
        self._without_content += len(data)
        try:
            data, goaways = self._sieve.sift(data)
            for event in self._h2.receive_data(data):
                self._hear(event, touched)
        except (H2Error, ValueError) as exc:
            self._break(Malformed(f"HTTP/2 that is none ({type(exc).__name__})"))
            return
        if self._without_content > MOST_WITHOUT_CONTENT:
            self._break(Malformed("too many frames that bring nothing"))
            return
        for goaway in goaways:
            self._hear_goaway(goaway)
        self._return_shared_room()
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

    def _hear(self, event: Event, touched: dict[Stream, None]) -> None:
        if isinstance(event, DataReceived):
            self._received += event.flow_controlled_length
            if (stream := self._begun.get(event.stream_id)) is not None:
                self._without_content = 0 if event.data else self._without_content
                stream.reply.add(event.data)
                stream.taken += event.flow_controlled_length - len(event.data)
                touched[stream] = None
        elif isinstance(event, ResponseReceived):
            if (stream := self._begun.get(event.stream_id)) is not None:
                self._without_content = 0
                stream.reply.read_head(event.headers)
                touched[stream] = None
        elif isinstance(event, StreamEnded):
            if (stream := self._begun.get(event.stream_id)) is not None:
                stream.reply.is_whole = stream.reply.has_head
                touched[stream] = None
        elif isinstance(event, StreamReset):
            self._hear_reset(event)
        elif isinstance(event, RemoteSettingsChanged):
            self.is_settled = True
            self._most = min(MOST_STREAMS, self._h2.remote_settings.max_concurrent_streams)
            self._unblock()
            self._on_change(self)
        elif isinstance(event, WindowUpdated):
            self._unblock()

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

    def _cancel(self, stream: Stream) -> None:
        if stream.reply.is_whole and stream.is_sent:
            return
        try:
            self._h2.reset_stream(stream.id, ErrorCodes.CANCEL)
        except H2Error:
            return  # both sides have ended it
        self._without_content -= WINDOW  # what is on its way brings nobody anything any more
        self._flush()

    def _return_shared_room(self) -> None:
        if self._received >= SHARED_WINDOW // 4:
            self._h2.increment_flow_control_window(self._received)
            self._received = 0

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
        if self.is_open and (data := self._h2.data_to_send()):
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
