"""A provider that answers when a test says so, and calls of it."""

import asyncio

from chassis.config.providers import Concurrency
from chassis.errors import Reason, RunestoneError
from provider_svc.keys.keyed import Keyed
from provider_svc.keys.seat import KeySeat
from provider_svc.provider import Begun, Kept, UpstreamCall
from runestone.common.v1.dialect_pb2 import DIALECT_OPENAI_CHAT
from runestone.provider.v1.provider_pb2 import Resource


class Inner:
    """Keeps what it was asked, by call id, until it is told how that ends. `began` are all ids in their order."""

    dialects = frozenset({DIALECT_OPENAI_CHAT})

    def __init__(self, name):
        self.name, self.running, self.began, self.closed = name, {}, [], 0

    async def call(self, call, sink):
        self.began.append(call.call_id)
        end = asyncio.get_running_loop().create_future()
        self.running[call.call_id] = end, sink
        try:
            error = await end
        finally:
            del self.running[call.call_id]
        if error is not None:
            raise error
        sink.accept(Begun(200))

    def answer(self, call_id):
        _, sink = self.running[call_id]
        sink.accept(Begun(200))

    def end(self, call_id, error=None):
        end, _ = self.running[call_id]
        end.set_result(error)

    async def close(self):
        self.closed += 1


def keyed_of(clock, weights=(1,), observer=None, patience=5.0, **settings):
    """A provider with a key of each weight, and the inner one of each."""
    inners = [Inner(f"k{number}") for number in range(len(weights))]
    concurrency = Concurrency(**settings)
    seats = [KeySeat(it.name, it, concurrency, weight) for it, weight in zip(inners, weights, strict=True)]
    return Keyed("p", seats, clock, concurrency, patience=patience, observer=observer), inners


def call_of(call_id="c", model="m", *, is_kept=False):
    kept = Kept(Resource.ACTION_GET, "resp_1") if is_kept else None
    return UpstreamCall(call_id=call_id, model=model, stream=True, members={}, kept=kept)


def rate_limited(hint=None):
    return RunestoneError(Reason.PROVIDER_RATE_LIMITED, "slower", retry_after=hint, upstream_status=429)


def refused(status=401):
    return RunestoneError(Reason.PROVIDER_CREDENTIALS_REFUSED, "who?", upstream_status=status)
