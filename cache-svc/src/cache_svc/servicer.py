"""CacheService: protobuf in, a store asked, protobuf out."""

from collections.abc import Callable

from cache_svc.measured import MeasuredStore
from cache_svc.store import Entry
from chassis.clock import Clock
from chassis.errors import Reason, RunestoneError
from chassis.server import Context
from runestone.cache.v1.cache_pb2 import (
    Answer,
    GetStatisticsRequest,
    GetStatisticsResponse,
    LookUpRequest,
    LookUpResponse,
    Miss,
    StoreRequest,
    StoreResponse,
)
from runestone.cache.v1.cache_pb2_grpc import CacheServiceServicer

FINGERPRINT_SIZE = 32
YEAR = 365 * 86_400.0


class CacheServicer(CacheServiceServicer):
    """Answers out of one store. `default_ttl` gives what holds now, in seconds."""

    def __init__(self, store: MeasuredStore, clock: Clock, *, default_ttl: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self._default_ttl = default_ttl

    async def LookUp(self, request: LookUpRequest, context: Context) -> LookUpResponse:  # noqa: N802, ARG002
        """Looks an answer up."""
        body = await self._store.look_up(_checked(request.fingerprint))
        if body is None:
            return LookUpResponse(miss=Miss())
        return LookUpResponse(hit=Answer.FromString(body))

    async def Store(self, request: StoreRequest, context: Context) -> StoreResponse:  # noqa: N802, ARG002
        """Keeps an answer, dated by this service."""
        fingerprint, answer = _checked(request.fingerprint), request.answer
        if not answer.body:
            raise _refusal("answer.body", "is empty: there is nothing to keep")
        ttl = self._read_ttl(request)
        answer.stored_at.FromMicroseconds(int(self._clock.time() * 1_000_000))
        return StoreResponse(stored=await self._store.keep(Entry(fingerprint, answer.SerializeToString(), ttl)))

    async def GetStatistics(self, request: GetStatisticsRequest, context: Context) -> GetStatisticsResponse:  # noqa: N802, ARG002
        """Says how the cache is doing."""
        stock = await self._store.take_stock()
        return GetStatisticsResponse(
            store=stock.store,
            entries=stock.entries,
            bytes=stock.bytes,
            max_entries=stock.max_entries,
            max_bytes=stock.max_bytes,
            hits=self._store.hits,
            misses=self._store.misses,
            stores=self._store.stores,
            evictions=stock.evictions,
        )

    def _read_ttl(self, request: StoreRequest) -> float:
        asked = request.ttl.ToNanoseconds() / 1e9
        if asked < 0:
            raise _refusal("ttl", "is negative")
        return min(asked or self._default_ttl(), YEAR)


def _checked(fingerprint: bytes) -> bytes:
    if len(fingerprint) != FINGERPRINT_SIZE:
        raise _refusal("fingerprint", f"has {len(fingerprint)} bytes instead of the {FINGERPRINT_SIZE} of a SHA-256")
    return fingerprint


def _refusal(member: str, message: str) -> RunestoneError:
    return RunestoneError(Reason.INVALID_REQUEST, f"{member} {message}", param=member)
