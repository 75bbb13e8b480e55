"""cache-svc, put together."""

import random
import secrets

from cache_svc.answers import Answers
from cache_svc.changes import ChangeLog
from cache_svc.eviction.tiny_lfu import TinyLfu
from cache_svc.hints.opening import serve_hints
from cache_svc.key_log import KeyLog, NamedStore
from cache_svc.keys import Keys
from cache_svc.measured import MeasuredStore
from cache_svc.memory import MemoryStore
from cache_svc.memory_log import MemoryLog
from cache_svc.redis_log import PATIENCE, RedisLog
from cache_svc.redis_store import RedisStore
from cache_svc.rooms.opening import serve_rooms
from cache_svc.seals import ChangeSeal, NoSeals, Seals
from cache_svc.servicer import CacheServicer
from cache_svc.settings import CacheSettings
from cache_svc.state.opening import open_state, open_state_client
from cache_svc.state.servicer import MAX_WAITERS, StateServicer
from cache_svc.statistics import Statistics
from cache_svc.store import OVERHEAD, Store
from cache_svc.streams.opening import serve_streams
from cache_svc.uses import Uses
from cache_svc.watches import LONGEST, SHORTEST, Watches
from chassis.limiter import ConcurrencyLimiter
from chassis.redis import RedisClient, make_client, open_client
from chassis.runtime import Runtime, Service
from runestone.cache.v1 import cache_pb2, cache_pb2_grpc
from runestone.state.v1 import state_pb2, state_pb2_grpc


async def build(runtime: Runtime) -> None:
    """Opens the store and its log, seals and measures them, serves them; beside them what edges share, copies of streams, rooms, and hints."""
    settings = CacheSettings.of(runtime.settings)
    seals = _open_seals(runtime, settings)
    client = await open_client(runtime, settings.store_url) if settings.store_url is not None else None
    answers, names = _open_answers(runtime, settings, client)
    store, keys = seals.seal_store(answers, client)
    log = await _open_log(runtime, settings, client, seals.changes)
    _serve_answers(runtime, MeasuredStore(store, runtime.metrics), log, keys, names)
    state_client = await open_state_client(runtime, settings, client)
    state = seals.seal_state(open_state(runtime, settings, state_client))
    runtime.serve(
        state_pb2_grpc.add_StateServiceServicer_to_server,
        StateServicer(state, runtime.clock, ConcurrencyLimiter(MAX_WAITERS)),
        state_pb2.DESCRIPTOR.services_by_name["StateService"].full_name,
    )
    serve_streams(runtime, settings, state_client, seals)
    await serve_rooms(runtime, settings, seals)
    await serve_hints(runtime, settings)


def _open_seals(runtime: Runtime, settings: CacheSettings) -> Seals:
    if settings.encryption is None:
        return NoSeals()
    from cache_svc.encryption.opening import MasterSeals  # noqa: PLC0415  7 MiB, only where it is needed

    return MasterSeals(runtime, settings.encryption)


def _serve_answers(runtime: Runtime, store: MeasuredStore, log: ChangeLog, keys: Keys, names: KeyLog | None) -> None:
    uses = Uses(runtime.metrics)
    watches = _open_watches(runtime, log, names)
    settings_in_force = runtime.snapshots.follow(lambda snapshot: CacheSettings.of(snapshot.settings))
    servicer = CacheServicer(
        Answers(store, log),
        watches,
        Statistics(store, uses, watches, keys),
        keys,
        runtime.clock,
        default_ttl=lambda: settings_in_force.current.default_ttl,
        may_copy=keys.may_copy,
    )
    name = cache_pb2.DESCRIPTOR.services_by_name["CacheService"].full_name
    runtime.serve(cache_pb2_grpc.add_CacheServiceServicer_to_server, servicer, name)


def _open_watches(runtime: Runtime, log: ChangeLog, names: KeyLog | None) -> Watches:
    span = lambda: random.uniform(SHORTEST, LONGEST)  # noqa: E731, S311  jitter, not secrecy
    watches = Watches(log, runtime.clock, span=span, names=names)
    runtime.metrics.gauge("cache_watchers", "Callers that watch now").set_function(lambda: watches.running)
    runtime.on_stop(watches.close)
    return watches


def _open_answers(runtime: Runtime, settings: CacheSettings, client: RedisClient | None) -> tuple[Store, KeyLog | None]:
    """The store, and the names of what is in it where this process alone knows them."""
    if client is not None:
        return RedisStore(client, settings.bounds), None
    store = _open_memory(runtime, settings)
    if settings.encryption is not None:  # answers are kept under other names than callers know
        return store, None
    names = KeyLog(store.fingerprints)
    return NamedStore(store, names), names


async def _open_log(
    runtime: Runtime, settings: CacheSettings, client: RedisClient | None, seal: ChangeSeal
) -> ChangeLog:
    """Where the answers are: who shares them shares it."""
    if client is None or settings.store_url is None:
        return MemoryLog(secrets.token_hex(8))
    reader = make_client(settings.store_url, runtime.clock, deadline=PATIENCE, max_connections=1)
    log = RedisLog(client, await runtime.open(reader), seal)
    runtime.spawn(log.read(), "log")
    return log


def _open_memory(runtime: Runtime, settings: CacheSettings) -> MemoryStore:
    metrics = runtime.metrics
    evictions = metrics.counter("cache_evictions", "Fresh answers dropped to stay within the bounds")
    bounds = settings.bounds
    policy = TinyLfu(bounds.max_entries, bounds.max_bytes, smallest=OVERHEAD)
    store = MemoryStore(bounds, runtime.clock, policy, on_eviction=evictions.inc)
    metrics.gauge("cache_entries", "Answers kept now").set_function(lambda: store.entries)
    metrics.gauge("cache_bytes", "Bytes that kept answers count for").set_function(lambda: store.used_bytes)
    runtime.spawn(store.sweep(), "sweep")
    return store


SERVICE = Service("cache", build)
