"""ratelimit-svc, put together."""

import secrets

from chassis.redis import open_pool
from chassis.runtime import Runtime, Service
from ratelimit_svc.measured import MeasuredStore
from ratelimit_svc.memory import MemoryStore
from ratelimit_svc.redis_store import RedisStore
from ratelimit_svc.servicer import RateLimitServicer
from ratelimit_svc.settings import RateLimitSettings
from ratelimit_svc.store import Store
from runestone.ratelimit.v1 import ratelimit_pb2, ratelimit_pb2_grpc


async def build(runtime: Runtime) -> None:
    """Opens the store, measures it, serves it."""
    store = MeasuredStore(await _open_store(runtime), runtime.metrics, runtime.clock)
    runtime.serve(
        ratelimit_pb2_grpc.add_RateLimitServiceServicer_to_server,
        RateLimitServicer(store, runtime.clock, new_lease_id),
        ratelimit_pb2.DESCRIPTOR.services_by_name["RateLimitService"].full_name,
    )


def new_lease_id() -> str:
    """Long enough that no two leases of a subject ever share it."""
    return secrets.token_hex(8)


async def _open_store(runtime: Runtime) -> Store:
    settings = RateLimitSettings.of(runtime.settings)
    if settings.store_url is not None:
        return RedisStore(await open_pool(runtime, settings.store_url))
    store = MemoryStore()
    subjects = runtime.metrics.gauge("ratelimit_subjects", "Subjects that are remembered because they are not full")
    subjects.set_function(lambda: len(store))
    return store


SERVICE = Service("ratelimit", build)
