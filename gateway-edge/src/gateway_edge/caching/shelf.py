"""Answers that are kept: copies in this process first, then cache-svc behind a breaker."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

from msgspec import Struct

from chassis.breaker import Breaker
from chassis.clock import Clock
from chassis.errors import RunestoneError
from chassis.metadata import ROUTE_KEY, Metadata
from gateway_edge.blame import is_part_down
from gateway_edge.caching.near import Copy, NearCache, copy_of
from runestone.cache.v1.cache_pb2 import LookUpRequest, LookUpResponse, StoreRequest, StoreResponse

MAX_STORING = 256  # answers on their way to cache-svc; above it they are not kept


class AnswerCache(Protocol):
    """What the shelf needs of cache-svc: `CacheServiceStub`."""

    def LookUp(self, request: LookUpRequest, /, *, metadata: Metadata) -> Awaitable[LookUpResponse]:  # noqa: N802  the rpc's name
        """Looks an answer up."""

    def Store(self, request: StoreRequest, /, *, metadata: Metadata) -> Awaitable[StoreResponse]:  # noqa: N802  the rpc's name
        """Keeps an answer."""


class Found(Struct, frozen=True):
    """What is known: a copy, if there is one; whether it stood here; whether nobody could be asked."""

    copy: Copy | None = None
    is_near: bool = False
    is_down: bool = False


NOTHING = Found()
DOWN = Found(is_down=True)


class Shelf:
    """All kept answers of one edge worker. Outlives snapshots, as its copies do."""

    def __init__(
        self,
        cache: AnswerCache,
        near: NearCache,
        breaker: Breaker,
        clock: Clock,
        spawn: Callable[[Coroutine[Any, Any, None], str], None],
    ) -> None:
        self._cache = cache
        self._near = near
        self._breaker = breaker
        self._clock = clock
        self._spawn = spawn
        self._storing: dict[bytes, asyncio.Event] = {}

    async def find(self, key: bytes, tenant: str) -> Found:
        """The answer under a key, fresh or stale. Raises what a call's own deadline does to a look-up; a cache-svc that is down is
        no error."""
        if (copy := self._near.find(key)) is not None:
            return Found(copy, is_near=True)
        if not self._breaker.admits():
            return DOWN
        if (storing := self._storing.get(key)) is not None:
            await storing.wait()  # who saw the answer and asks again gets it; storing has a deadline of its own
        try:
            response = await self._cache.LookUp(
                LookUpRequest(fingerprint=key, tenant=tenant), metadata=((ROUTE_KEY, key),)
            )
        except RunestoneError as error:
            if not is_part_down(error, self._clock):
                raise
            self._breaker.failed()
            return DOWN
        self._breaker.succeeded()
        return self._take(key, response) if response.HasField("hit") else NOTHING

    def store(self, key: bytes, request: StoreRequest) -> None:
        """Keeps an answer, dated by the caller, soon; one that cannot be kept is a later miss."""
        if key not in self._storing and len(self._storing) < MAX_STORING:
            self._near.drop(key)
            self._storing[key] = asyncio.Event()
            self._spawn(self._store(key, request), "cache store")

    def _take(self, key: bytes, response: LookUpResponse) -> Found:
        if response.may_copy:
            self._near.keep(key, response.hit, response.mark)
            if (copy := self._near.find(key)) is not None:
                return Found(copy)
        return Found(copy_of(response.hit))

    async def _store(self, key: bytes, request: StoreRequest) -> None:
        try:
            response = await self._cache.Store(request, metadata=((ROUTE_KEY, key),))
            if response.stored and response.may_copy:
                self._near.keep(key, request.answer, response.mark)
        except RunestoneError as error:
            if is_part_down(error, self._clock):
                self._breaker.failed()
        finally:
            self._storing.pop(key).set()
