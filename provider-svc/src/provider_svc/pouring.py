"""A stream's way from the provider's answer to the sink, whatever the provider's dialect."""

from typing import Protocol

from provider_svc.answer import Answer
from provider_svc.provider import Sink


class Relay(Protocol):
    """Makes the client's chunks of the network's blocks, and adds them to the sink."""

    @property
    def is_done(self) -> bool:
        """Whether the stream's end was said; whatever comes behind it is nobody's."""

    def feed(self, block: bytes) -> None:
        """Adds what `block` completes. Raises what is wrong with it, behind what came before."""


async def pour(answer: Answer, relay: Relay, sink: Sink) -> None:
    """Lets the stream flow, as the sink has room, until its end was said or the body ends. Raises what `Answer.flow` and the
    relay raise."""

    def take(block: bytes) -> bool:
        relay.feed(block)
        return not relay.is_done and sink.has_room()

    await sink.wait_for_room()
    while not await answer.flow(take) and not relay.is_done:
        await sink.wait_for_room()
