"""Answers that are kept: copies in this process first, then cache-svc behind a breaker."""

from collections.abc import Awaitable
from typing import Protocol

from msgspec import Struct

from chassis.breaker import Breaker
from chassis.clock import Clock
from chassis.errors import RunestoneError
from chassis.metadata import ROUTE_KEY, Metadata
from gateway_edge.blame import is_part_down
from gateway_edge.caching.absence import Absence
from gateway_edge.caching.near import Copy, NearCache, copy_of
from gateway_edge.caching.storing import Storing
from runestone.cache.v1.cache_pb2 import LookUpRequest, LookUpResponse, StoreRequest


class AnswerCache(Protocol):
    """What the shelf asks of cache-svc: `CacheServiceStub`."""

    def LookUp(self, request: LookUpRequest, /, *, metadata: Metadata) -> Awaitable[LookUpResponse]:  # noqa: N802  the rpc's name
        """Looks an answer up."""


class Found(Struct, frozen=True):
    """What is known: a copy, if there is one; whether that was known here; whether nobody could be asked."""

    copy: Copy | None = None
    is_near: bool = False
    is_down: bool = False


NOTHING = Found()
SURELY_NOTHING = Found(is_near=True)
DOWN = Found(is_down=True)


class Shelf:
    """All kept answers of one edge worker. Outlives snapshots, as its copies do."""

    def __init__(
        self,
        cache: AnswerCache,
        near: NearCache,
        absence: Absence,
        storing: Storing,
        *,
        breaker: Breaker,
        clock: Clock,
    ) -> None:
        self._cache = cache
        self._near = near
        self._absence = absence
        self._storing = storing
        self._breaker = breaker
        self._clock = clock

    async def find(self, key: bytes, tenant: str, *, is_pressed: bool = False) -> Found:
        """The answer under a key, fresh or stale; for who `is_pressed`, because he gets nothing else, it is looked for also where there
        is surely none. Raises what a call's own deadline does to a look-up; a cache-svc that is down is no error."""
        if (copy := self._near.find(key)) is not None:
            return Found(copy, is_near=True)
        if (answer := self._storing.find(key)) is not None:
            return Found(copy_of(answer), is_near=True)
        if not is_pressed and self._absence.is_sure(key):
            return SURELY_NOTHING
        return await self._ask(key, tenant) if self._breaker.admits() else DOWN

    def stamp_of(self, key: bytes) -> bytes:
        """The last purge that may have been about a key, as far as it was heard of here; empty for none."""
        return self._near.stamp_of(key)

    def open_store(self, key: bytes) -> StoreRequest | None:
        """What is sent to be kept, soon: to be filled in by the caller before anything is awaited. None when too much is on its way;
        what is not kept is a later miss."""
        request = self._storing.open(key)
        if request is not None:
            self._absence.note(key)
        return request

    async def _ask(self, key: bytes, tenant: str) -> Found:
        request = LookUpRequest(fingerprint=key, tenant=tenant)
        try:
            response = await self._cache.LookUp(request, metadata=((ROUTE_KEY, key),))
        except RunestoneError as error:
            if not is_part_down(error, self._clock):
                raise
            self._breaker.failed()
            return DOWN
        self._breaker.succeeded()
        return self._take(key, response) if response.HasField("hit") else NOTHING

    def _take(self, key: bytes, response: LookUpResponse) -> Found:
        if response.may_copy:
            self._near.keep(key, response.hit, response.mark)
            if (copy := self._near.find(key)) is not None:
                return Found(copy)
        return Found(copy_of(response.hit))
