"""The place for rooms, opened: which store, its numbers, and how it ends."""

import random

from cache_svc.rooms.feeds import Feeds
from cache_svc.rooms.memory import MemoryRooms
from cache_svc.rooms.redis_keys import SHARDS
from cache_svc.rooms.redis_rooms import DEADLINE, RedisRooms
from cache_svc.rooms.room_log import PATIENCE
from cache_svc.rooms.servicer import LONGEST, MAX_WATCHERS, SHORTEST, RoomServicer
from cache_svc.rooms.store import RoomStore
from cache_svc.seals import Seals
from cache_svc.settings import CacheSettings
from chassis.limiter import ConcurrencyLimiter
from chassis.redis import make_client
from chassis.runtime import Runtime
from runestone.room.v1 import room_pb2, room_pb2_grpc


async def serve_rooms(runtime: Runtime, settings: CacheSettings, seals: Seals) -> None:
    """Serves them where shared state is. The service is ready without, and stops without waiting for who watches."""
    store = await _open_store(runtime, settings)

    async def end_watches(_grace: float) -> None:
        store.close()

    runtime.on_stop(end_watches)
    watchers = ConcurrencyLimiter(MAX_WATCHERS)
    runtime.metrics.gauge("room_watchers", "Watches of rooms now").set_function(lambda: watchers.running)
    span = lambda: random.uniform(SHORTEST, LONGEST)  # noqa: E731, S311  jitter, not secrecy
    name = room_pb2.DESCRIPTOR.services_by_name["RoomService"].full_name
    said = runtime.metrics.counter("room_messages", "Messages that were said in rooms")
    servicer = RoomServicer(store, seals.seal_content(b"rooms"), watchers, span=span, on_message=said.inc)
    runtime.serve(room_pb2_grpc.add_RoomServiceServicer_to_server, servicer, name)


async def _open_store(runtime: Runtime, settings: CacheSettings) -> RoomStore:
    feeds = Feeds()
    metrics = runtime.metrics
    metrics.gauge("rooms_watched", "Rooms that somebody watches here now").set_function(lambda: len(feeds))
    url = settings.state_url
    if url is None:
        return _open_memory(runtime, settings, feeds)
    client = await runtime.open(make_client(url, runtime.clock, deadline=DEADLINE))
    reader = await runtime.open(make_client(url, runtime.clock, deadline=PATIENCE, max_connections=SHARDS))
    rooms = RedisRooms(client, reader, runtime.clock, feeds)
    runtime.spawn(rooms.run(), "rooms")
    return rooms


def _open_memory(runtime: Runtime, settings: CacheSettings, feeds: Feeds) -> MemoryRooms:
    rooms = MemoryRooms(settings.state_bounds, runtime.clock, feeds)
    runtime.metrics.gauge("rooms", "Rooms that are remembered now").set_function(lambda: len(rooms))
    runtime.metrics.gauge("room_members", "Members of all rooms now").set_function(lambda: rooms.members)
    runtime.metrics.gauge("room_bytes", "Bytes that rooms count for").set_function(lambda: rooms.used_bytes)
    runtime.spawn(rooms.sweep(), "room sweep")
    return rooms
