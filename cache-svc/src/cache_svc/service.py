"""cache-svc, put together."""

from cache_svc.measured import MeasuredStore
from cache_svc.memory import MemoryStore
from cache_svc.redis_store import RedisStore
from cache_svc.servicer import CacheServicer
from cache_svc.settings import CacheSettings
from cache_svc.store import Store
from chassis.redis import open_pool
from chassis.runtime import Runtime, Service
from runestone.cache.v1 import cache_pb2, cache_pb2_grpc


async def build(runtime: Runtime) -> None:
    """Opens the store, measures it, serves it."""
    settings = CacheSettings.of(runtime.settings)
    store = MeasuredStore(await _open_store(runtime, settings), runtime.metrics)
    runtime.serve(
        cache_pb2_grpc.add_CacheServiceServicer_to_server,
        CacheServicer(store, runtime.clock, default_ttl=settings.default_ttl),
        cache_pb2.DESCRIPTOR.services_by_name["CacheService"].full_name,
    )


async def _open_store(runtime: Runtime, settings: CacheSettings) -> Store:
    if settings.store_url is not None:
        return RedisStore(await open_pool(runtime, settings.store_url), settings.bounds)
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
