"""What operators ask of the answer cache. Every replica is asked: one with a memory of its own speaks for no other."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from chassis.client import Channel
from chassis.errors import Reason, RunestoneError
from chassis.replicas import open_link, resolve, split_address
from chassis.server import MAX_MESSAGE
from chassis.tracing import Tracing
from launcher.errors import LaunchError
from runestone.cache.v1.cache_pb2 import (
    GetStatisticsRequest,
    GetStatisticsResponse,
    PurgeRequest,
    PurgeResponse,
    Selection,
    ShredRequest,
    ShredResponse,
)
from runestone.cache.v1.cache_pb2_grpc import CacheServiceStub

CONNECTING = 2.0  # seconds in which a replica has to be found and reached
PATIENCE = 60.0  # seconds for its answer: a large purge goes in steps

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Asked(Generic[T]):
    """What each replica answered, and why the others could not be asked; both by the replica's name, or address where it has none."""

    answers: Mapping[str, T]
    failures: Mapping[str, str]


class CacheDesk:
    """Asks all replicas at once, each over a connection of its own that ends with the answer.

    `services` are addresses by name, as in `mesh.json`. What a replica refuses as INVALID_REQUEST is raised; whatever else keeps one
    from answering is among the `failures`. Cancelling gives up on all of them; what one has begun to forget, it forgets.
    """

    def __init__(self, services: Mapping[str, str]) -> None:
        if "cache" not in services:
            raise LaunchError("the mesh has no service cache")
        self._address = services["cache"]
        self._names = {address: name for name, address in services.items()}

    async def take_stock(self) -> Asked[GetStatisticsResponse]:
        """Each replica's statistics."""
        return await self._ask_each(lambda stub: stub.GetStatistics(GetStatisticsRequest()))

    async def purge(self, selection: Selection) -> Asked[PurgeResponse]:
        """Has each forget what `selection` fits."""
        return await self._ask_each(lambda stub: stub.Purge(PurgeRequest(selection=selection)))

    async def shred(self, tenant: str) -> Asked[ShredResponse]:
        """Has each make what it keeps for `tenant` unreadable for ever."""
        return await self._ask_each(lambda stub: stub.Shred(ShredRequest(tenant=tenant)))

    async def _ask_each(self, question: Callable[[CacheServiceStub], Awaitable[T]]) -> Asked[T]:
        addresses, failures = await self._find_replicas()
        outcomes = await asyncio.gather(*(_ask(address, question) for address in addresses))
        answers: dict[str, T] = {}
        for name, outcome in zip(map(self._name, addresses), outcomes, strict=True):
            if not isinstance(outcome, RunestoneError):
                answers[name] = outcome
            elif outcome.reason is Reason.INVALID_REQUEST:
                raise outcome
            else:
                failures[name] = f"{outcome.message} ({outcome.reason})"
        return Asked(answers, failures)

    async def _find_replicas(self) -> tuple[list[str], dict[str, str]]:
        """Their addresses, and what has none."""
        found, failures = set[str](), dict[str, str]()
        for address in split_address(self._address):
            try:
                async with asyncio.timeout(CONNECTING):
                    found |= await resolve([address])
            except OSError as error:
                failures[address] = f"cannot be resolved: {error.strerror or type(error).__name__}"
        return sorted(found, key=self._name), failures

    def _name(self, address: str) -> str:
        return self._names.get(address, address)


async def _ask(address: str, question: Callable[[CacheServiceStub], Awaitable[T]]) -> T | RunestoneError:
    link = open_link(address, MAX_MESSAGE)
    async with Channel(address, tracing=Tracing("runestone"), timeout=PATIENCE, link=link) as channel:
        await channel.is_connected_within(CONNECTING)
        try:
            return await question(CacheServiceStub(channel))
        except RunestoneError as error:
            return error
