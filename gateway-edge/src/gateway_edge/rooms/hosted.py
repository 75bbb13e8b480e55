"""A room and what keeps it: its watch, and the telling of who is here and who is not."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from contextvars import Context
from typing import Any, Protocol

from chassis.logs import Logger
from gateway_edge.channels.channel import Answer
from gateway_edge.channels.control import Action
from gateway_edge.channels.slots import Slots
from gateway_edge.messages.message import Message
from gateway_edge.rooms.crowd import Member
from gateway_edge.rooms.room import Hearing, Room
from gateway_edge.rooms.watching import watch

LAST_WORDS = 2.0  # seconds for saying who left


class Streams(Hearing, Protocol):
    """What is heard of a room's streams, and followed."""

    def __len__(self) -> int:
        """How many are read."""

    def follow(self, member: Member, resume: Mapping[str, int]) -> None:
        """A member came: it is told of what runs; of the streams to `resume`, from behind the event that it has."""

    def leave(self, member: Member) -> None:
        """A member went."""

    def ask(
        self,
        member: Member,
        message: Message,
        answer: Answer,
        describe: Callable[[str], dict[str, object]],
        slots: Slots,
    ) -> None:
        """Asks a model for the whole room."""

    async def steer(self, member: Member, stream_id: str, action: Action, check_may_control: Callable[[], None]) -> int:
        """Pauses, resumes or cancels a stream for everybody."""

    async def close(self) -> None:
        """Follows none any more."""


class Hosted:
    """Follows `room` from now until it is closed. `closing` is a timer that will."""

    def __init__(self, room: Room, streams: Streams, history: int, log: Logger) -> None:
        self.room = room
        self.streams = streams
        room.hearing = streams
        self._closing: asyncio.TimerHandle | None = None
        self._watching = start(watch(room.shared, room, history, log), f"watch {room.topic}", log)
        self._upkeep = start(room.upkeep.run(), f"upkeep {room.topic}", log)

    def close_after(self, seconds: float, close: Callable[["Hosted"], None]) -> None:
        """Has it closed in a while, unless somebody keeps it."""
        self.keep()
        self._closing = asyncio.get_running_loop().call_later(seconds, close, self)

    def keep(self) -> None:
        """It is not closed after all."""
        if self._closing is not None:
            self._closing.cancel()
            self._closing = None

    async def close(self) -> None:
        """Ends everything; who left is said, if that can be done within two seconds."""
        self.keep()
        self.room.close()
        try:
            await end(self._watching)  # first: whoever opens the room anew enters one that this one knows nothing of
            await self.streams.close()
            await self.room.upkeep.wait_until_done(LAST_WORDS)
        finally:
            await end(self._upkeep)


async def end(task: "asyncio.Task[None]") -> None:
    """Cancels it, and waits until it is over."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def start(work: Coroutine[Any, Any, None], name: str, log: Logger) -> asyncio.Task[None]:
    """A task of a room: in no call's time, and no part of its trace. When it crashes that is logged."""

    def note_end(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("work of a room crashed", task=name, exc_info=error)

    task = asyncio.get_running_loop().create_task(work, name=name, context=Context())
    task.add_done_callback(note_end)
    return task
