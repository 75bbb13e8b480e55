"""The way back of a call that nobody waits for."""

from chassis.errors import RunestoneError
from gateway_edge.endpoints.voices import OPENAI


class DiscardingReply:
    """Takes an answer and forgets it: what the pipeline keeps of it on the way is what it was made for. Nothing is sent to
    anybody, so `bytes_sent` stays 0 and there is no first byte; `has_begun` and `is_whole` are what a client's would be."""

    bytes_sent = 0
    first_byte_at: float | None = None

    def __init__(self) -> None:
        self.voice = OPENAI
        self.headers: dict[str, str] = {}
        self.has_begun = False
        self.is_whole = False

    async def send(self, body: bytes, content_type: str = "application/json", status: int = 200) -> None:  # noqa: ARG002  a reply's signature
        """Takes a whole answer; never waits. Raises RuntimeError where a stream has begun."""
        if self.has_begun and not self.is_whole:
            raise RuntimeError("a stream has begun; it cannot become a document")
        self.has_begun = self.is_whole = True

    async def begin(self, content_type: str) -> None:
        """Takes a body of any kind."""

    async def write(self, events: bytes) -> None:
        """Takes events; never waits."""
        self.has_begun = self.has_begun or bool(events)

    def expect_events(self) -> None:
        """Nobody has to be kept waiting."""

    async def close(self) -> None:
        """Takes the end of a stream."""
        self.has_begun = self.is_whole = True

    async def fail(self, error: RunestoneError) -> None:
        """Nobody is there to be told: the call's outcome holds the error."""

    def stop_pinging(self) -> None:
        """Nothing runs for this reply."""
