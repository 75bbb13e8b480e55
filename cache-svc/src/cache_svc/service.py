"""cache-svc, put together."""

from cache_svc.measured import MeasuredStore
from cache_svc.memory import MemoryStore
from cache_svc.redis_store import RedisStore
from cache_svc.servicer import CacheServicer
from cache_svc.settings import CacheSettings
from cache_svc.state.opening import open_state
from cache_svc.state.servicer import MAX_WAITERS, StateServicer
from cache_svc.store import Store
from chassis.limiter import ConcurrencyLimiter
from chassis.redis import RedisPool, open_pool
from chassis.runtime import Runtime, Service
from runestone.cache.v1 import cache_pb2, cache_pb2_grpc
from runestone.state.v1 import state_pb2, state_pb2_grpc


async def build(runtime: Runtime) -> None:
    """Opens the store, measures it, serves it; beside it what edges share."""
    settings = CacheSettings.of(runtime.settings)
    pool = await open_pool(runtime, settings.store_url) if settings.store_url is not None else None
    store = MeasuredStore(_open_answers(runtime, settings, pool), runtime.metrics)
    settings_in_force = runtime.snapshots.follow(lambda snapshot: CacheSettings.of(snapshot.settings))
    runtime.serve(
        cache_pb2_grpc.add_CacheServiceServicer_to_server,
        CacheServicer(store, runtime.clock, default_ttl=lambda: settings_in_force.current.default_ttl),
        cache_pb2.DESCRIPTOR.services_by_name["CacheService"].full_name,
    )
    runtime.serve(
        state_pb2_grpc.add_StateServiceServicer_to_server,
        StateServicer(await open_state(runtime, settings, pool), runtime.clock, ConcurrencyLimiter(MAX_WAITERS)),
        state_pb2.DESCRIPTOR.services_by_name["StateService"].full_name,
    )


def _open_answers(runtime: Runtime, settings: CacheSettings, pool: RedisPool | None) -> Store:
    if pool is not None:
        return RedisStore(pool, settings.bounds)
    return _open_memory(runtime, settings)


def _open_memory(runtime: Runtime, settings: CacheSettings) -> MemoryStore:
    metrics = runtime.metrics
    evictions = metrics.counter("cache_evictions", "Fresh answers dropped to stay within the bounds")
    store = MemoryStore(settings.bounds, runtime.clock, on_eviction=evictions.inc)
    metrics.gauge("cache_entries", "Answers kept now").set_function(lambda: store.entries)
    metrics.gauge("cache_bytes", "Bytes that they count for").set_function(lambda: store.used_bytes)
    runtime.spawn(store.sweep(), "sweep")
    return store


SERVICE = Service("cache", build)
