"""The place for hints, opened: which store, its numbers, and how it ends."""

import random

from cache_svc.hints.memory import MemoryHints
from cache_svc.hints.redis_hints import DEADLINE, PATIENCE, RedisHints
from cache_svc.hints.servicer import MAX_WATCHERS, HintServicer
from cache_svc.hints.store import HintStore
from cache_svc.settings import CacheSettings
from cache_svc.watches import LONGEST, SHORTEST
from chassis.limiter import ConcurrencyLimiter
from chassis.redis import make_client
from chassis.runtime import Runtime
from runestone.hint.v1 import hint_pb2, hint_pb2_grpc


async def serve_hints(runtime: Runtime, settings: CacheSettings) -> None:
    """Serves them where shared state is. The service is ready without, and stops without waiting for who watches."""
    store = await _open_store(runtime, settings.state_url)

    async def end_watches(_grace: float) -> None:
        store.close()

    runtime.on_stop(end_watches)
    watchers = ConcurrencyLimiter(MAX_WATCHERS)
    runtime.metrics.gauge("hint_watchers", "Callers that watch hints now").set_function(lambda: watchers.running)
    span = lambda: random.uniform(SHORTEST, LONGEST)  # noqa: E731, S311  jitter, not secrecy
    name = hint_pb2.DESCRIPTOR.services_by_name["HintService"].full_name
    servicer = HintServicer(store, watchers, span=span)
    runtime.serve(hint_pb2_grpc.add_HintServiceServicer_to_server, servicer, name)


async def _open_store(runtime: Runtime, url: str | None) -> HintStore:
    memory = MemoryHints(runtime.clock)
    if url is None:
        return memory
    client = await runtime.open(make_client(url, runtime.clock, deadline=DEADLINE, max_connections=2))
    reader = await runtime.open(make_client(url, runtime.clock, deadline=PATIENCE, max_connections=1))
    hints = RedisHints(client, reader, memory)
    runtime.spawn(hints.read(), "hints")
    return hints
