"""A stream of chat chunks: relayed as bytes, metered and checked in the same pass."""

from collections.abc import Callable
from itertools import accumulate

from chassis.errors import Reason, RunestoneError
from provider_svc.documents import UNREADABLE
from provider_svc.openai.response import note, raise_error
from provider_svc.openai.schema import Document, decode_document
from provider_svc.provider import Chunk, Meter
from provider_svc.sse import Splitter, read_event

_USUAL = b"data: {"
_DONE = b"[DONE]"


class Relay:
    """Passes a provider's events on to `add`. With `strips_usage` the extra usage chunk is left out: it was asked for on
    the gateway's own account, not on the client's."""

    def __init__(self, meter: Meter, add: Callable[[Chunk], None], *, strips_usage: bool) -> None:
        self.is_done = False
        self._meter = meter
        self._add = add
        self._strips_usage = strips_usage
        self._splitter = Splitter()

    def feed(self, block: bytes) -> None:
        """Passes on the events that are whole now, at most one chunk of them; what comes behind `[DONE]` is left out.

        Raises, behind the chunk of events that came before: PROVIDER_INVALID_ANSWER for data that is not JSON, and what
        an error object in the stream says.
        """
        chunk = self._splitter.feed(block)
        if chunk is None or self.is_done:
            return
        kept, failure = self._sift(chunk)
        if len(kept) == len(chunk.ends):
            self._add(chunk)
        elif kept:
            self._add(Chunk(b"".join(kept), tuple(accumulate(map(len, kept)))))
        if failure is not None:
            raise failure

    def end(self) -> None:
        """To be called when the body has ended. A last event that lacks its blank line still counts when it is `[DONE]`.

        Raises PROVIDER_STREAM_CUT when the end was not said: such an answer is not whole.
        """
        if not self.is_done and read_event(self._splitter.rest).data == _DONE:
            self.feed(b"\n\n")
        if not self.is_done:
            raise RunestoneError(
                Reason.PROVIDER_STREAM_CUT, "the provider's stream ended without saying so", upstream_status=200
            )

    def _sift(self, chunk: Chunk) -> tuple[list[bytes], RunestoneError | None]:
        """The events that the client gets, up to `[DONE]` or to the first that is a failure, and that failure."""
        kept = []
        for frame in chunk.split():
            try:
                if self._passes(frame):
                    kept.append(frame)
            except RunestoneError as failure:
                return kept, failure
            if self.is_done:
                break
        return kept, None

    def _passes(self, frame: bytes) -> bool:
        if frame.startswith(_USUAL):
            try:
                return self._meter_chunk(decode_document(frame[6:]), frame[6:])
            except UNREADABLE:
                pass  # several lines, or not JSON: read it as the specification says
        data = read_event(frame).data
        if data.startswith(_DONE):
            self.is_done = True
        elif data:
            return self._meter_chunk(_decode(data), data)
        return True

    def _meter_chunk(self, chunk: Document, data: bytes) -> bool:
        raise_error(chunk, data)
        note(chunk, self._meter)
        return not (self._strips_usage and chunk.is_usage_only)


def _decode(data: bytes) -> Document:
    try:
        return decode_document(data)
    except UNREADABLE as exc:
        raise RunestoneError(
            Reason.PROVIDER_INVALID_ANSWER,
            "the provider's stream holds data that is not a chat chunk",
            upstream_status=200,
        ) from exc
