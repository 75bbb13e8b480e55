"""HintService: protobuf in, a store told or followed, protobuf out."""

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing

from google.protobuf.duration_pb2 import Duration

from cache_svc.hints.reading import read_hint, read_topic
from cache_svc.hints.store import Hint, HintStore
from chassis.limiter import ConcurrencyLimiter
from chassis.server import Context
from runestone.hint.v1 import hint_pb2 as messages
from runestone.hint.v1.hint_pb2_grpc import HintServiceServicer

MAX_WATCHERS = 1_000


class HintServicer(HintServiceServicer):
    """Answers out of one store. `span` says for how many seconds the next watch lasts; `watchers` bounds how many there may be."""

    def __init__(self, store: HintStore, watchers: ConcurrencyLimiter, *, span: Callable[[], float]) -> None:
        self._store = store
        self._watchers = watchers
        self._span = span

    async def Tell(self, request: messages.TellRequest, context: Context) -> messages.TellResponse:  # noqa: N802, ARG002
        """Passes a hint on."""
        await self._store.tell(read_topic(request), read_hint(request))
        return messages.TellResponse()

    async def Watch(self, request: messages.WatchRequest, context: Context) -> AsyncIterator[messages.WatchResponse]:  # noqa: N802, ARG002
        """Tells what holds, and what is told."""
        with self._watchers:
            async with aclosing(self._store.follow(read_topic(request), self._span())) as letters:
                async for hints in letters:
                    yield messages.WatchResponse(hints=map(_write, hints))


def _write(hint: Hint) -> messages.Hint:
    written = messages.Hint(key=hint.key, sender=hint.sender, ttl=Duration())
    written.ttl.FromNanoseconds(round(hint.ttl * 1e9))
    return written
