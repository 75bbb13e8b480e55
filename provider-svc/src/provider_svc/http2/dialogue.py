"""The client's side of a connection's frames, and their bounds. Nothing here knows about sockets, streams' readers or time."""

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, Event, RemoteSettingsChanged, ResponseReceived
from h2.exceptions import H2Error
from h2.settings import SettingCodes, Settings

from provider_svc.http1.faults import ClosedEarly, Malformed
from provider_svc.http1.reply import MAX_HEAD
from provider_svc.http2.frames import Goaway, Sieve
from provider_svc.http2.heads import translate_head

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


class Dialogue:
    """What is to be written comes from `take_output`, after whatever was called. `is_settled`: the server has said how many streams it
    allows; `most_streams` is how many may be open at once."""

    def __init__(self) -> None:
        self.is_settled = False
        self.most_streams = 1
        self._h2 = H2Connection(_CONFIGURATION)
        self._sieve = Sieve()
        self._received = 0  # bytes that the connection's window has to get back
        self._without_content = 0

    def open(self) -> None:
        """Begins the connection."""
        self._h2.local_settings = Settings(client=True, initial_values=_SETTINGS)
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(SHARED_WINDOW)

    def begin(self, head: bytes, *, ends: bool) -> int:
        """Says a request's head; the number of its stream. Raises ClosedEarly, to be repeated, where no stream can be begun."""
        try:
            number = self._h2.get_next_available_stream_id()
            self._h2.send_headers(number, translate_head(head), end_stream=ends)
        except H2Error as exc:  # the server allows fewer streams than it did, or all numbers are used up
            raise ClosedEarly(is_repeatable=True) from exc
        return number

    def send(self, number: int, data: memoryview) -> int:
        """Says as much of a request's body as there is room for, and its end with the last; how many bytes that was."""
        room = max(0, min(self._h2.local_flow_control_window(number), len(data), PIECE))
        step = self._h2.max_outbound_frame_size
        for start in range(0, room, step):
            end = min(start + step, room)
            self._h2.send_data(number, bytes(data[start:end]), end_stream=end == len(data))
        return room

    def return_room(self, number: int, length: int) -> None:
        """Lets the server send so much more on a stream."""
        self._h2.increment_flow_control_window(length, number)

    def cancel(self, number: int) -> None:
        """Wants nothing more of a stream; nothing when both sides have ended it."""
        try:
            self._h2.reset_stream(number, ErrorCodes.CANCEL)
        except H2Error:
            return
        self._without_content -= WINDOW  # what is on its way brings nobody anything any more

    def receive(self, data: bytes) -> list[Event | Goaway]:
        """What has happened. Raises Malformed for what HTTP/2 does not allow, and for too much of what it does; the connection is over
        then."""
        self._without_content += len(data)
        try:
            data, goaways = self._sieve.sift(data)
            events = self._h2.receive_data(data)
        except (H2Error, ValueError) as exc:
            raise Malformed(f"frames that are not allowed ({type(exc).__name__})") from exc
        for event in events:
            self._note(event)
        if self._without_content > MOST_WITHOUT_CONTENT:
            raise Malformed("too many frames that bring nothing")
        if self._received >= SHARED_WINDOW // 4:
            self._h2.increment_flow_control_window(self._received)
            self._received = 0
        return [*events, *goaways]

    def take_output(self) -> bytes:
        """What is to be written now."""
        return self._h2.data_to_send()

    def _note(self, event: Event) -> None:
        if isinstance(event, DataReceived):
            self._received += event.flow_controlled_length
            if event.data:
                self._without_content = min(self._without_content, 0)
        elif isinstance(event, ResponseReceived):
            self._without_content = min(self._without_content, 0)
        elif isinstance(event, RemoteSettingsChanged):
            self.is_settled = True
            self.most_streams = min(MOST_STREAMS, self._h2.remote_settings.max_concurrent_streams)
