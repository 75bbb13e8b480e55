"""From the network's blocks to the client's chunks: cutting, reading and translating what is there, in one step."""

from collections.abc import Iterator

from chassis.errors import Reason, RunestoneError
from provider_svc.anthropic.answer import failure
from provider_svc.anthropic.stream import ChatStream
from provider_svc.provider import Chunk
from provider_svc.sse import Splitter, read_event


class Relay:
    """One stream on its way from Anthropic to an OpenAI client."""

    def __init__(self, stream: ChatStream) -> None:
        self._stream = stream
        self._splitter = Splitter()

    def feed(self, block: bytes) -> Iterator[Chunk]:
        """At most one chunk, with all events that `block` completes.

        Raises what the translation raises, but only after what came before the failure was yielded.
        """
        events: list[bytes] = []
        try:
            self._translate(block, events)
        except RunestoneError:
            yield from _joined(events)
            raise
        yield from _joined(events)

    def _translate(self, block: bytes, events: list[bytes]) -> None:
        frames = self._splitter.feed(block)
        for frame in frames.split() if frames else ():
            if data := read_event(frame).data:
                events += self._stream.translate(data)

    def end(self) -> None:
        """To be called when the upstream has nothing more.

        Raises PROVIDER_STREAM_CUT unless the answer's end was said; a JSON document where a stream was asked for is an
        error object, or PROVIDER_INVALID_ANSWER.
        """
        if self._stream.is_done:
            return
        rest = self._splitter.rest
        if rest.lstrip().startswith(b"{"):
            raise failure(rest)
        raise RunestoneError(
            Reason.PROVIDER_STREAM_CUT, "the provider's stream stopped before its end was said", upstream_status=200
        )


def _joined(events: list[bytes]) -> Iterator[Chunk]:
    if events:
        ends, end = [], 0
        for event in events:
            end += len(event)
            ends.append(end)
        yield Chunk(b"".join(events), tuple(ends))
