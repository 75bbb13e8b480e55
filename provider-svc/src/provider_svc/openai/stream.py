"""Streams of Chat Completions and of Completions: chunks, an extra one for usage, `[DONE]`."""

from chassis.sse import read_event
from provider_svc.documents import UNREADABLE, read_answered
from provider_svc.openai.response import note, raise_error
from provider_svc.openai.schema import NULL, Document, decode_document
from provider_svc.provider import Meter
from provider_svc.relay import DONE

_USUAL = b"data: {"


class ChunkWatcher:
    """Meters and checks chunks. With `strips_usage` the extra usage chunk is left out: it was asked for on the gateway's own
    account, not on the client's."""

    __slots__ = ("_meter", "_strips_usage", "is_done")

    def __init__(self, meter: Meter, *, strips_usage: bool) -> None:
        self.is_done = False
        self._meter = meter
        self._strips_usage = strips_usage

    @property
    def is_whole(self) -> bool:
        """Whether `[DONE]` has come."""
        return self.is_done

    def passes(self, frame: bytes) -> bool:
        """See `Watcher.passes`."""
        if frame.startswith(_USUAL):
            try:
                return self._meter_chunk(decode_document(frame[6:]), frame[6:])
            except UNREADABLE:
                pass  # several lines, or not JSON: read it as the specification says
        data = read_event(frame).data
        if data.startswith(DONE):
            self.is_done = True
        elif data:
            return self._meter_chunk(read_answered(decode_document, data, within="stream"), data)
        return True

    def is_end(self, data: bytes) -> bool:
        """Whether it is `[DONE]`."""
        return data == DONE

    def _meter_chunk(self, chunk: Document, data: bytes) -> bool:
        if chunk.error != NULL:
            raise_error(chunk.error, data)
        note(chunk, self._meter)
        return not (self._strips_usage and chunk.is_usage_only)
