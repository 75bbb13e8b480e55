"""A service that is ready at once, refuses a default ttl of 13 s, and notes when it is told to stop, and what to forget.

Of what it is told to forget the replica number n has n + 1 answers; number 0 has every tenant's key.
"""

from chassis.errors import Reason, RunestoneError
from chassis.runtime import Runtime, Service
from chassis.snapshots import Snapshot
from runestone.cache.v1.cache_pb2 import GetStatisticsResponse, PurgeResponse, ShredResponse
from runestone.cache.v1.cache_pb2_grpc import CacheServiceServicer, add_CacheServiceServicer_to_server


def refuse_unlucky(snapshot: Snapshot) -> None:
    if snapshot.settings.cache.default_ttl == 13:
        raise ValueError("thirteen is too unlucky a ttl")


class FakeCache(CacheServiceServicer):
    """One replica."""

    def __init__(self, runtime: Runtime) -> None:
        self._count = runtime.place.worker + 1
        self._notes = runtime.place.data_dir / "orders"

    async def GetStatistics(self, request, context):
        return GetStatisticsResponse(store="memory", entries=self._count, max_entries=10, hits=2, near_hits=1, misses=1)

    async def Purge(self, request, context):
        if request.selection.tag == "refused":
            raise RunestoneError(Reason.INVALID_REQUEST, "no such tag can be")
        self._note(f"purge {request.selection}")
        return PurgeResponse(purged=self._count)

    async def Shred(self, request, context):
        self._note(f"shred {request.tenant}")
        return ShredResponse(purged=self._count, key_destroyed=self._count == 1)

    def _note(self, order: str) -> None:
        with self._notes.open("a") as file:
            file.write(f"{order.replace(chr(10), ' ').strip()}\n")


async def build(runtime: Runtime) -> None:
    async def note_stop(grace: float) -> None:
        with (runtime.place.data_dir / "stops").open("a") as file:
            file.write("cache\n")

    runtime.snapshots.follow(refuse_unlucky)
    runtime.on_stop(note_stop)
    runtime.serve(add_CacheServiceServicer_to_server, FakeCache(runtime), "runestone.cache.v1.CacheService")


SERVICE = Service("cache", build)
