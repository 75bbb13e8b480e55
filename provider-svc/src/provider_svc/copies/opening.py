"""Copies, put together: who keeps them."""

from chassis.breaker import Breaker
from chassis.runtime import Runtime
from provider_svc.copies.copies import Copies, NoCopies, StoredCopies
from provider_svc.copies.store import Store
from runestone.stream.v1.stream_pb2_grpc import StreamServiceStub

PEER = "cache"
TIMEOUT = 1.0  # seconds


def open_copies(runtime: Runtime) -> Copies:
    """Kept by cache-svc; where the service knows none, by nobody. That it can be reached is no fact of the service's. Closed when the
    service stops, behind what registers to be stopped later."""
    if PEER not in runtime.place.peers:
        return NoCopies()
    cache = StreamServiceStub(runtime.connect(PEER, timeout=TIMEOUT))
    outcomes = runtime.metrics.counter("stream_copies", "Resumable calls by what became of their copy", ("outcome",))
    copies = StoredCopies(Store(cache, Breaker(clock=runtime.clock)), runtime.clock, runtime.log, outcomes)
    runtime.on_stop(copies.stop)
    return copies
