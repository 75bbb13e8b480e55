"""Answers on their way to cache-svc: gathered for a moment, and sent to the replica that each will be asked for of."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterator, Mapping
from typing import Any, Protocol

from chassis.errors import RunestoneError
from chassis.replicas import rendezvous_weight
from gateway_edge.caching.near import NearCache
from runestone.cache.v1.cache_pb2 import Answer, StoreAllRequest, StoreAllResponse, StoreRequest

PACE = 0.01  # seconds that answers are gathered for
MOST = 256  # answers on their way; above it they are not kept
MAX_BYTES = 8 << 20  # of one request


class AnswerStore(Protocol):
    """What is needed of one replica: `CacheServiceStub`."""

    def StoreAll(self, request: StoreAllRequest, /) -> Awaitable[StoreAllResponse]:  # noqa: N802  the rpc's name
        """Keeps answers."""


class Storing:
    """Sends answers in the background; what cannot be sent is a later miss. `list_replicas` gives those that there are, by address;
    `on_failure` hears why some were not kept."""

    def __init__(
        self,
        list_replicas: Callable[[], Mapping[str, AnswerStore]],
        near: NearCache,
        spawn: Callable[[Coroutine[Any, Any, None], str], None],
        *,
        on_failure: Callable[[RunestoneError], None],
    ) -> None:
        self._list_replicas = list_replicas
        self._near = near
        self._spawn = spawn
        self._on_failure = on_failure
        self._batches: dict[str, StoreAllRequest] = {}
        self._waiting: dict[bytes, StoreRequest] = {}
        self._sending: dict[bytes, StoreRequest] = {}
        self._is_running = False

    def find(self, key: bytes) -> Answer | None:
        """An answer that is on its way."""
        request = self._waiting.get(key) or self._sending.get(key)
        return request.answer if request is not None else None

    def open(self, key: bytes) -> StoreRequest | None:
        """What will be sent, to be filled in before anything is awaited: what is found of a key is the last one. None when too much
        is on its way, or there is nobody to send it to."""
        replicas = self._list_replicas()
        if not replicas or len(self._waiting) >= MOST:
            return None
        self._near.drop(key)
        batch = self._batches.setdefault(find_replica(key, replicas), StoreAllRequest())
        request = self._waiting[key] = batch.stores.add()
        request.fingerprint = key
        if not self._is_running:
            self._is_running = True
            self._spawn(self._send_all(), "cache stores")
        return request

    async def _send_all(self) -> None:
        try:
            while self._waiting:
                await asyncio.sleep(PACE)
                batches, self._batches = self._batches, {}
                self._sending, self._waiting = self._waiting, {}
                for address, batch in batches.items():
                    await self._send(address, batch)
                self._sending = {}
        finally:
            self._is_running = False
            self._sending = {}

    async def _send(self, address: str, batch: StoreAllRequest) -> None:
        replica = self._list_replicas().get(address)
        if replica is None:
            return
        for part in split(batch):
            try:
                await replica.StoreAll(part)
            except RunestoneError as error:
                self._on_failure(error)


def find_replica(key: bytes, replicas: Collection[str]) -> str:
    """The address that a look-up would ask."""
    if len(replicas) == 1:
        return next(iter(replicas))
    return max((rendezvous_weight(key, address), address) for address in replicas)[1]


def split(batch: StoreAllRequest) -> Iterator[StoreAllRequest]:
    """The same in messages that can be sent; nearly always one."""
    if batch.ByteSize() <= MAX_BYTES:
        yield batch
        return
    for request in batch.stores:
        yield StoreAllRequest(stores=[request])
