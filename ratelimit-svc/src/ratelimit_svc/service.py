"""ratelimit-svc, put together."""

import secrets

from chassis.redis import open_pool
from chassis.runtime import Runtime, Service
from chassis.snapshots.snapshot import Snapshot
from ratelimit_svc.envoy.judge import Judge
from ratelimit_svc.envoy.measured import Verdicts
from ratelimit_svc.envoy.rules import Domain
from ratelimit_svc.envoy.servicer import EnvoyServicer
from ratelimit_svc.measured import MeasuredStore
from ratelimit_svc.memory import MemoryStore
from ratelimit_svc.redis_store import RedisStore
from ratelimit_svc.servicer import RateLimitServicer
from ratelimit_svc.settings import RateLimitSettings
from ratelimit_svc.store import Store
from runestone.envoy.v3 import rls_pb2, rls_pb2_grpc
from runestone.ratelimit.v1 import ratelimit_pb2, ratelimit_pb2_grpc


async def build(runtime: Runtime) -> None:
    """Opens the stores, and serves what the mesh asks and what Envoy asks."""
    calls, requests = await _open_stores(runtime)
    runtime.serve(
        ratelimit_pb2_grpc.add_RateLimitServiceServicer_to_server,
        RateLimitServicer(MeasuredStore(calls, runtime.metrics, runtime.clock), runtime.clock, new_lease_id),
        ratelimit_pb2.DESCRIPTOR.services_by_name["RateLimitService"].full_name,
    )
    domains = runtime.snapshots.follow(_read_domains)
    runtime.serve(
        rls_pb2_grpc.add_RateLimitServiceServicer_to_server,
        EnvoyServicer(Judge(requests, runtime.clock), lambda: domains.current, Verdicts(runtime.metrics)),
        rls_pb2.DESCRIPTOR.services_by_name["RateLimitService"].full_name,
    )


def new_lease_id() -> str:
    """Long enough that no two leases of a subject ever share it."""
    return secrets.token_hex(8)


def _read_domains(snapshot: Snapshot) -> dict[str, Domain]:
    return {domain.domain: Domain.of(domain) for domain in snapshot.settings.ratelimit.domains}


async def _open_stores(runtime: Runtime) -> tuple[Store, Store]:
    """For calls, and for Envoy's requests. In memory they are two: whoever reaches Envoy from many addresses can fill the one, and
    takes no room from tenants in the other."""
    settings = RateLimitSettings.of(runtime.settings)
    if settings.store_url is not None:
        shared = RedisStore(await open_pool(runtime, settings.store_url))
        return shared, shared
    stores = MemoryStore(), MemoryStore()
    subjects = runtime.metrics.gauge("ratelimit_subjects", "Subjects that are remembered because they are not full")
    subjects.set_function(lambda: sum(map(len, stores)))
    return stores


SERVICE = Service("ratelimit", build)
