"""The services that the edge calls, and what it knows of each: stub, breaker, fallback."""

import secrets
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from chassis.breaker import Breaker
from chassis.clock import Clock
from chassis.errors import RunestoneError
from chassis.members import Members
from chassis.runtime import Runtime
from gateway_edge.asking.begin import Connection, Models
from gateway_edge.auth.key_sources import KeySources
from gateway_edge.auth.nonces import NonceMemory
from gateway_edge.blame import is_part_down
from gateway_edge.breakers import Breakers
from gateway_edge.caching.absence import Absence
from gateway_edge.caching.near import NearCache
from gateway_edge.caching.replicas import CacheReplicas
from gateway_edge.caching.shelf import Shelf
from gateway_edge.caching.storing import Storing
from gateway_edge.caching.uses import Uses
from gateway_edge.caching.watching import Watchers
from gateway_edge.idempotency.claims import Claims
from gateway_edge.limits.leases import Leases
from gateway_edge.limits.local import LocalLimits
from gateway_edge.limits.metrics import LeaseMetrics
from gateway_edge.stored.notes import Notes
from gateway_edge.stored.places import Places
from gateway_edge.streams.copies import Copies
from gateway_edge.streams.notes import UNAVAILABLE
from gateway_edge.streams.replicas import FlightReplicas, each_of
from runestone.cache.v1.cache_pb2_grpc import CacheServiceStub
from runestone.provider.v1.provider_pb2_grpc import ProviderServiceStub
from runestone.ratelimit.v1.ratelimit_pb2_grpc import RateLimitServiceStub
from runestone.state.v1.state_pb2_grpc import StateServiceStub
from runestone.stream.v1.stream_pb2_grpc import StreamServiceStub

# A part that is slower than this is treated as down: the call does better without it.
CACHE_TIMEOUT = 0.25
LIMITER_TIMEOUT = 0.25
NONCE_TIMEOUT = 0.5  # seconds; nothing goes on without it
LONGEST_SESSION = 3_660.0  # seconds of a realtime session; its call is ended before


@dataclass(frozen=True, slots=True, kw_only=True)
class Peers:
    """Everything outside the edge that a pipeline uses."""

    models: Models
    provider: Connection
    replicas: Members
    near: NearCache
    shelf: Shelf
    uses: Uses
    claims: Claims
    places: Places
    stream_notes: Notes
    flights: FlightReplicas
    copies: Copies
    nonces: NonceMemory
    key_sources: KeySources
    leases: Leases
    local_limits: LocalLimits
    clock: Clock
    spawn: Callable[[Coroutine[Any, Any, None], str], None]


def connect_peers(runtime: Runtime) -> Peers:
    """Channels to all services; none has to be up yet."""
    provider = runtime.connect("provider", carries_version=True)
    replicas = CacheReplicas(runtime.connect_each("cache"))
    near = _open_near_cache(runtime, replicas)
    breakers = Breakers(runtime.metrics, runtime.clock)
    models = ProviderServiceStub(provider)
    return Peers(
        models=models,
        provider=provider,
        replicas=runtime.connect_each("provider", timeout=LONGEST_SESSION),
        near=near,
        shelf=_open_shelf(runtime, near, replicas, breakers.make("cache")),
        uses=_count_uses(runtime),
        claims=_open_claims(runtime, breakers.make("idempotency")),
        places=_open_places(runtime, breakers.make("responses")),
        stream_notes=_open_stream_notes(runtime, breakers.make("streams")),
        flights=FlightReplicas(models, each_of(runtime.connect_each("provider"))),
        copies=Copies(StreamServiceStub(runtime.connect("cache"))),
        nonces=StateServiceStub(runtime.connect("cache", timeout=NONCE_TIMEOUT)),
        key_sources=KeySources(runtime.clock, runtime.spawn, runtime.log),
        leases=_take_leases(runtime, breakers.make("ratelimit")),
        local_limits=LocalLimits(runtime.clock, share=runtime.settings.edge.workers),
        clock=runtime.clock,
        spawn=runtime.spawn,
    )


def _open_near_cache(runtime: Runtime, replicas: CacheReplicas) -> NearCache:
    """Copies are kept where the configuration wants it, and then every replica of cache-svc is watched."""
    settings = runtime.settings.cache.near
    near = NearCache(settings.max_bytes, runtime.clock, longest_call=runtime.settings.edge.call_timeout)
    if settings.enabled:
        runtime.spawn(Watchers(near).run(replicas.changes()), "cache watches")
    runtime.metrics.gauge("near_cache_copies", "Answers copied in this process").set_function(lambda: len(near))
    runtime.metrics.gauge("near_cache_bytes", "Bytes that copied answers count for").set_function(lambda: near.held)
    runtime.metrics.gauge("near_cache_live", "Whether copies may be given").set_function(lambda: near.is_live)
    return near


def _open_shelf(runtime: Runtime, near: NearCache, replicas: CacheReplicas, breaker: Breaker) -> Shelf:
    absence = Absence()
    runtime.spawn(absence.run(replicas.changes()), "cache names")

    def note_failure(error: RunestoneError) -> None:
        if is_part_down(error, runtime.clock):
            breaker.failed()

    storing = Storing(lambda: replicas.current, near, runtime.spawn, on_failure=note_failure)
    cache = CacheServiceStub(runtime.connect("cache", timeout=CACHE_TIMEOUT))
    return Shelf(cache, near, absence, storing, breaker=breaker, clock=runtime.clock)


def _count_uses(runtime: Runtime) -> Uses:
    uses = Uses(CacheServiceStub(runtime.connect("cache")), runtime.metrics)
    runtime.spawn(uses.tell(), "cache uses")
    return uses


def _open_claims(runtime: Runtime, breaker: Breaker) -> Claims:
    return Claims(
        StateServiceStub(runtime.connect("cache")),
        breaker,
        clock=runtime.clock,
        spawn=runtime.spawn,
        new_token=new_claim_token,
        outcomes=runtime.metrics.counter("idempotency_claims", "Calls under a key, by what came of it", ("outcome",)),
    )


def _open_places(runtime: Runtime, breaker: Breaker) -> Places:
    return Places(
        StateServiceStub(runtime.connect("cache")),
        breaker,
        clock=runtime.clock,
        spawn=runtime.spawn,
        outcomes=runtime.metrics.counter(
            "stored_responses", "Notes on who has a response, and what came", ("outcome",)
        ),
    )


def _open_stream_notes(runtime: Runtime, breaker: Breaker) -> Notes:
    outcomes = runtime.metrics.counter("stream_notes", "Notes on streams that can be read on, by outcome", ("outcome",))
    state = StateServiceStub(runtime.connect("cache"))
    return Notes(state, breaker, runtime.clock, outcomes, UNAVAILABLE)


def new_claim_token() -> str:
    """Nobody guesses it."""
    return secrets.token_hex(16)


def _take_leases(runtime: Runtime, breaker: Breaker) -> Leases:
    """Returned when the edge stops, after its last call."""
    leases = Leases(
        RateLimitServiceStub(runtime.connect("ratelimit", timeout=LIMITER_TIMEOUT)),
        breaker,
        clock=runtime.clock,
        spawn=runtime.spawn,
        metrics=LeaseMetrics(runtime.metrics),
    )
    runtime.on_stop(leases.drain)
    return leases
