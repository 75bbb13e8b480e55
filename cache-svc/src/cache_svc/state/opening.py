"""The place for shared state, opened: which store, its numbers, and how it ends."""

from cache_svc.settings import CacheSettings
from cache_svc.state.changes import Changes
from cache_svc.state.memory import MemoryState
from cache_svc.state.redis_state import RedisState
from cache_svc.state.store import StateStore
from chassis.errors import RunestoneError
from chassis.logs import Logger
from chassis.redis import RedisClient, open_client
from chassis.runtime import Runtime


async def open_state_client(
    runtime: Runtime, settings: CacheSettings, client: RedisClient | None
) -> RedisClient | None:
    """What reaches the Redis that the settings name for shared state, None for memory; `client` is the answers' own, used for both
    where both are in one Redis."""
    if settings.state_url is None:
        return None
    if client is None or settings.state_url != settings.store_url:
        client = await open_client(runtime, settings.state_url, "state")
    runtime.spawn(warn_of_eviction(client, runtime.log), "state policy")
    return client


def open_state(runtime: Runtime, settings: CacheSettings, client: RedisClient | None) -> StateStore:
    """The store for nonces, calls and notes: in `client`, or else in memory."""
    if client is None:
        return _open_memory(runtime, settings)
    state = RedisState(client, settings.state_answer)
    runtime.on_stop(lambda _grace: stop_waiting(state.changes))
    return state


def _open_memory(runtime: Runtime, settings: CacheSettings) -> MemoryState:
    metrics = runtime.metrics
    evicted = metrics.counter("idempotency_evicted", "Answers under a key dropped before their time, to make room")
    state = MemoryState(settings.state_bounds, runtime.clock, on_eviction=evicted.inc)
    metrics.gauge("idempotency_answers", "Answers kept under a key now").set_function(lambda: state.answers.entries)
    metrics.gauge("idempotency_bytes", "Bytes that answers kept under a key count for").set_function(
        lambda: state.answers.used_bytes
    )
    metrics.gauge("idempotency_running", "Calls under a key now").set_function(lambda: len(state.claims))
    metrics.gauge("state_nonces", "Nonces remembered now").set_function(lambda: len(state.nonces))
    runtime.spawn(state.sweep(), "state sweep")
    runtime.on_stop(lambda _grace: stop_waiting(state.changes))
    return state


async def stop_waiting(changes: Changes) -> None:
    """Sends away who waits for somebody else's call: the edge asks another replica, and nobody holds up the stop."""
    changes.close()


async def warn_of_eviction(client: RedisClient, log: Logger) -> None:
    """Says once, in the log, that this Redis, or a server of this cluster, may forget a nonce or an answer before its time."""
    await client.wait()
    try:
        memories = [await master.ask("INFO", "memory") for master in (await client.survey()).masters]
    except RunestoneError:
        return
    policies = [memory.get("maxmemory_policy", "noeviction") for memory in memories if memory.get("maxmemory")]
    for policy in sorted({policy for policy in policies if policy != "noeviction"}):
        advice = "give it one with `maxmemory-policy noeviction` (cache.state.store)"
        log.warning("shared state may be forgotten early", maxmemory_policy=policy, advice=advice)
