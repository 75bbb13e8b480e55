"""What operators ask of the answer cache: every replica of it."""

from collections.abc import Mapping

from launcher.address_book import DialEach, dial_plainly
from launcher.errors import LaunchError
from launcher.replica_desk import Asked, ReplicaDesk
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

PATIENCE = 60.0  # seconds for an answer: a large purge goes in steps


class CacheDesk:
    """Asks all replicas at once, as `ReplicaDesk.ask_each` does. `services` are addresses by name, as in `mesh.json`."""

    def __init__(self, services: Mapping[str, str], dial: DialEach = dial_plainly) -> None:
        if "cache" not in services:
            raise LaunchError("the mesh has no service cache")
        self._replicas = ReplicaDesk(services, "cache", CacheServiceStub, PATIENCE, dial)

    async def take_stock(self) -> Asked[GetStatisticsResponse]:
        """Each replica's statistics."""
        return await self._replicas.ask_each(lambda stub: stub.GetStatistics(GetStatisticsRequest()))

    async def purge(self, selection: Selection) -> Asked[PurgeResponse]:
        """Has each forget what `selection` fits."""
        return await self._replicas.ask_each(lambda stub: stub.Purge(PurgeRequest(selection=selection)))

    async def shred(self, tenant: str) -> Asked[ShredResponse]:
        """Has each make what it keeps for `tenant` unreadable for ever."""
        return await self._replicas.ask_each(lambda stub: stub.Shred(ShredRequest(tenant=tenant)))
