"""What rooms are made of, put together once a process."""

import secrets
from collections.abc import Callable
from functools import partial

from chassis.breaker import Breaker
from chassis.config.shared_state import is_state_shared
from chassis.ids import new_call_id
from chassis.runtime import Runtime
from chassis.snapshots import Editions
from gateway_edge.channels.streams import Asking
from gateway_edge.door.ways import Ways
from gateway_edge.rooms.handler import Speaking
from gateway_edge.rooms.joining import RoomTopics
from gateway_edge.rooms.reading import ReaderMeans
from gateway_edge.rooms.rooms import Means, Rooms
from gateway_edge.rooms.streams import RoomStreams, StreamMeans
from gateway_edge.streams.gates import Gates
from gateway_edge.websocket.framing import frame_text
from runestone.room.v1.room_pb2_grpc import RoomServiceStub


async def open_rooms(
    runtime: Runtime, ways: Editions[Ways], asking: Asking, gates: Gates, caches: Callable[[], int]
) -> RoomTopics:
    """`caches` says how many cache-svc there are. Closed when the service stops, behind the doors: who left is said before that. `gates` hold paused streams back in this process."""

    def let_pass(stream_id: str) -> None:
        if (gate := gates.find(stream_id)) is not None:
            gate.open()

    means = Means(
        state=RoomServiceStub(runtime.connect("cache")),
        breaker=Breaker(clock=runtime.clock),
        edge=secrets.token_hex(8),
        clock=runtime.clock,
        new_id=new_call_id,
        frame_text=frame_text,
        door=asking.door,
        log=runtime.log,
    )
    reading = ReaderMeans(calls=asking.calls, policy=lambda: ways.current.policy, clock=runtime.clock)
    streams = StreamMeans(
        reading=reading,
        control=asking.control,
        end=asking.end,
        let_pass=let_pass,
        frame_text=frame_text,
        door=asking.door,
        log=runtime.log,
    )
    rooms = await runtime.open(Rooms(means, partial(RoomStreams, means=streams)))
    runtime.on_stop(rooms.drain)
    gauge = runtime.metrics.gauge
    gauge("edge_rooms", "Rooms with members in this process").set_function(lambda: len(rooms))
    gauge("edge_room_members", "Members of rooms in this process").set_function(lambda: rooms.members)
    gauge("edge_room_streams", "Streams that rooms of this process read").set_function(lambda: rooms.streams)
    return RoomTopics(
        rooms,
        Speaking(policy=lambda: ways.current.policy, clock=runtime.clock, asking=asking),
        new_ref=lambda: secrets.token_urlsafe(12),
        is_shared=lambda: is_state_shared(runtime.snapshots.current.settings, caches()),
    )
