"""A stream on its way from a provider to a client who speaks the same dialect: cut into events, watched, and handed on as bytes, in
one pass."""

from collections.abc import Callable
from enum import Enum, auto
from itertools import accumulate
from typing import Protocol

from chassis.errors import Reason, RunestoneError
from chassis.sse import read_event
from provider_svc.provider import Chunk
from provider_svc.sse import Splitter

DONE = b"[DONE]"


class Watcher(Protocol):
    """Reads the events of one stream as they pass."""

    @property
    def is_whole(self) -> bool:
        """Whether the stream may end here."""

    @property
    def is_done(self) -> bool:
        """Whether its end was said: what comes behind it is nobody's."""

    def passes(self, frame: bytes) -> bool:
        """Whether the client gets an event. Raises what is wrong with it: PROVIDER_INVALID_ANSWER for what is not the dialect, and
        what an error in the stream says."""

    def is_end(self, data: bytes) -> bool:
        """Whether the data of an event is known to be the last, also where the blank line behind it is missing."""


class Relay:
    """Passes a provider's events on to `add`, as `watcher` lets them."""

    def __init__(self, watcher: Watcher, add: Callable[[Chunk], None]) -> None:
        self._watcher = watcher
        self._passes = watcher.passes
        self._add = add
        self._splitter = Splitter()

    @property
    def is_done(self) -> bool:
        """Whether the stream's end was said."""
        return self._watcher.is_done

    def feed(self, block: bytes) -> None:
        """Passes on the events that are whole now, at most one chunk of them; what comes behind the end is left out.

        Raises, behind the chunk of events that came before, what is wrong with one.
        """
        chunk = self._splitter.feed(block)
        if chunk is None or self._watcher.is_done:
            return
        kept, failure = self._sift(chunk)
        if len(kept) == len(chunk.ends):
            self._add(chunk)
        elif kept:
            self._add(Chunk(b"".join(kept), tuple(accumulate(map(len, kept)))))
        if failure is not None:
            raise failure

    def end(self) -> None:
        """To be called when the body has ended. Raises PROVIDER_STREAM_CUT when the end was not said: such an answer is not whole."""
        if not self._watcher.is_whole and self._watcher.is_end(read_event(self._splitter.rest).data):
            self.feed(b"\n\n")
        if not self._watcher.is_whole:
            raise cut_off()

    def _sift(self, chunk: Chunk) -> tuple[list[bytes], RunestoneError | None]:
        """The events that the client gets, up to the end or to the first that is a failure, and that failure."""
        kept = []
        watcher, passes = self._watcher, self._passes
        for frame in chunk.split():
            try:
                if passes(frame):
                    kept.append(frame)
            except RunestoneError as failure:
                return kept, failure
            if watcher.is_done:
                break
        return kept, None


class Fate(Enum):
    """What an event means for its stream."""

    GOES_ON = auto()
    MAY_END = auto()
    IS_OVER = auto()


class TypedWatcher:
    """Watches a stream whose events say their `type`. `read` meters the data of one and says what it means for the stream."""

    def __init__(self, read: Callable[[bytes], Fate]) -> None:
        self._read = read
        self.is_whole = False
        self.is_done = False

    def passes(self, frame: bytes) -> bool:
        """Yes, unless there is something wrong with it."""
        data = read_event(frame).data
        if data.startswith(DONE):  # not part of any such dialect, and yet sent by some who imitate one
            if not self.is_whole:
                raise cut_off()
            self.is_done = True
        elif data and (fate := self._read(data)) is not Fate.GOES_ON:
            self.is_whole = True
            self.is_done = fate is Fate.IS_OVER
        return True

    def is_end(self, data: bytes) -> bool:  # noqa: ARG002  no end is so short that it could not have been cut
        """Never: an event is whole with its blank line."""
        return False


def cut_off() -> RunestoneError:
    """PROVIDER_STREAM_CUT for a stream whose end was not said."""
    return RunestoneError(
        Reason.PROVIDER_STREAM_CUT, "the provider's stream ended without saying so", upstream_status=200
    )
