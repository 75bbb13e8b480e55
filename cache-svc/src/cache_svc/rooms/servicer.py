"""RoomService: protobuf in, a store asked or followed, protobuf out."""

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing

from cache_svc.rooms.reading import read_member, read_message, read_ref, read_room, read_watcher
from cache_svc.rooms.store import RoomStore, Standing
from cache_svc.rooms.writing import RoomWriting
from cache_svc.seals import ContentSeal
from chassis.limiter import ConcurrencyLimiter
from chassis.server import Context
from runestone.room.v1 import room_pb2 as messages
from runestone.room.v1.room_pb2_grpc import RoomServiceServicer

MAX_WATCHERS = 8_000
SHORTEST, LONGEST = 120.0, 180.0  # seconds: apart, so that watches which began together do not all come back together


class RoomServicer(RoomServiceServicer):
    """Answers out of one store, in which members and messages of some tenants are sealed. `span` says for how many seconds the next watch
    lasts; `watchers` bounds how many there may be, `on_message` hears of each message."""

    def __init__(
        self,
        store: RoomStore,
        seal: ContentSeal,
        watchers: ConcurrencyLimiter,
        *,
        span: Callable[[], float],
        on_message: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._seal = seal
        self._watchers = watchers
        self._span = span
        self._on_message = on_message

    async def Enter(self, request: messages.EnterRequest, context: Context) -> messages.EnterResponse:  # noqa: N802, ARG002
        """Lets a member in."""
        room, member = read_room(request.room), read_member(request)
        presence = self._writing(request.room, room).write_member(member)
        return messages.EnterResponse(position=await self._store.enter(room, presence))

    async def Leave(self, request: messages.LeaveRequest, context: Context) -> messages.LeaveResponse:  # noqa: N802, ARG002
        """Lets a member go."""
        await self._store.leave(read_room(request.room), read_ref(request))
        return messages.LeaveResponse()

    async def Publish(self, request: messages.PublishRequest, context: Context) -> messages.PublishResponse:  # noqa: N802, ARG002
        """Tells everybody."""
        room, message = read_room(request.room), read_message(request)
        content = self._writing(request.room, room).write_message(message)
        position = await self._store.publish(room, content, is_kept=request.is_kept, request_id=request.request_id)
        self._on_message()
        return messages.PublishResponse(position=position)

    async def Watch(  # noqa: N802
        self,
        request: messages.WatchRequest,
        context: Context,  # noqa: ARG002
    ) -> AsyncIterator[messages.WatchResponse]:
        """Tells how the room stands, and what changes."""
        room, (edge, after, history) = read_room(request.room), read_watcher(request)
        writing = self._writing(request.room, room)
        with self._watchers:
            watch = self._store.watch(room, edge, after=after, history=history, seconds=self._span())
            async with aclosing(watch) as letters:
                async for letter in letters:
                    if isinstance(letter, Standing):
                        yield messages.WatchResponse(state=writing.read_standing(letter))
                    elif changes := list(writing.read_changes(letter)):
                        yield messages.WatchResponse(changes=changes)

    def _writing(self, room: messages.Room, key: bytes) -> RoomWriting:
        return RoomWriting(self._seal, room.tenant, key)
