"""From the network's blocks to the client's chunks: cutting, reading and translating what is there, in one step."""

from collections.abc import Callable
from itertools import accumulate

from chassis.errors import Reason, RunestoneError
from provider_svc.anthropic.answer import failure
from provider_svc.anthropic.stream import ChatStream
from provider_svc.provider import Chunk
from provider_svc.sse import Splitter, read_event


class Relay:
    """One stream on its way from Anthropic to an OpenAI client, whose chunks go to `add`."""

    def __init__(self, stream: ChatStream, add: Callable[[Chunk], None]) -> None:
        self._stream = stream
        self._add = add
        self._splitter = Splitter()

    @property
    def is_done(self) -> bool:
        """Whether the answer's end was said."""
        return self._stream.is_done

    def feed(self, block: bytes) -> None:
        """Passes on at most one chunk, with all events that `block` completes.

        Raises what the translation raises, but only after what came before the failure was passed on.
        """
        events: list[bytes] = []
        try:
            self._translate(block, events)
        finally:
            if events:
                self._add(Chunk(b"".join(events), tuple(accumulate(map(len, events)))))

    def _translate(self, block: bytes, events: list[bytes]) -> None:
        whole = self._splitter.feed(block)
        for frame in whole.split() if whole is not None else ():
            if data := read_event(frame).data:
                events += self._stream.translate(data)

    def end(self) -> None:
        """To be called when the upstream has nothing more.

        Raises PROVIDER_STREAM_CUT unless the answer's end was said; a JSON document where a stream was asked for is an
        error object, or PROVIDER_INVALID_ANSWER.
        """
        if self.is_done:
            return
        rest = self._splitter.rest
        if rest.lstrip().startswith(b"{"):
            raise failure(rest)
        raise RunestoneError(
            Reason.PROVIDER_STREAM_CUT, "the provider's stream stopped before its end was said", upstream_status=200
        )
