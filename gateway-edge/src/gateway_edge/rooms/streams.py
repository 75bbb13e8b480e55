"""The streams of one room: asked for here, or begun in another edge and followed; each once, for all members here."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from msgspec import Struct

from chassis.config.schema import WebSocketDoor
from chassis.errors import Reason, RunestoneError
from chassis.logs import Logger
from gateway_edge.channels.channel import Answer
from gateway_edge.channels.control import ACTIONS, Action, Control
from gateway_edge.channels.replies import StreamReply
from gateway_edge.channels.slots import Slots
from gateway_edge.endpoints.voice import Voice
from gateway_edge.messages.gate import Gate
from gateway_edge.messages.message import Message
from gateway_edge.rooms.asked import Asked
from gateway_edge.rooms.crowd import Member
from gateway_edge.rooms.endings import CUT_OFF, GIVEN_UP, describe_end, tell_end
from gateway_edge.rooms.generation import Generation
from gateway_edge.rooms.hosted import start
from gateway_edge.rooms.reading import KNOWN, PATIENCES, Reader, ReaderMeans
from gateway_edge.rooms.room import FrameText, Room
from gateway_edge.rooms.said import CANCELLED, ENDED, PAUSED, RESUMED, STARTED, Said, Started, read_started

MOST = 32  # streams of a room that run at a time
MAX_BYTES = 4 << 20  # that are kept of one, as framed, for those who come late
ORDER = 10.0  # seconds that the room's order has to tell of a stream that was announced here
WORDS: Mapping[Action, str] = {"pause": PAUSED, "resume": RESUMED, "cancel": CANCELLED}


class StreamMeans(Struct, frozen=True, kw_only=True):
    """What streams in rooms need, one for the process. `end` ends a call of this process; `let_pass` lets through what this
    process holds back of a stream, which was paused here and is resumed elsewhere."""

    reading: ReaderMeans
    control: Control
    end: Callable[[str, RunestoneError], None]
    let_pass: Callable[[str], None]
    frame_text: FrameText
    door: Callable[[], WebSocketDoor]
    log: Logger


class RoomStreams:
    """Those of `room`, which is one of `tenant`. Members that `follow` read all that run."""

    def __init__(self, tenant: str, room: Room, means: StreamMeans) -> None:
        self._tenant = tenant
        self._room = room
        self._means = means
        self._reader = Reader(tenant, means.reading)
        self._members: dict[str, Member] = {}
        self._running: dict[str, Generation] = {}
        self._before: dict[str, tuple[Started, str]] = {}  # begun before this edge came, as far as is known not over
        self._alone: dict[str, list[asyncio.Task[None]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._running)

    def follow(self, member: Member, resume: Mapping[str, int]) -> None:
        """A member came: it reads what runs from the beginning, or from behind what it has. What does not run in the room is resumed for it
        alone."""
        before, self._before = self._before, {}
        for stream_id, (started, api_key) in before.items():
            self._follow_elsewhere(started, api_key, after=resume.get(stream_id, 0))
        for stream_id, generation in self._running.items():
            generation.add(member, resume.get(stream_id, 0))
        self._members[member.ref] = member
        for stream_id in resume.keys() - self._running.keys():
            self._resume_alone(member, stream_id, resume[stream_id])

    def leave(self, member: Member) -> None:
        """A member went. What it asked goes on for the others."""
        if self._members.pop(member.ref, None) is not None:
            for generation in self._running.values():
                generation.remove(member)
            for task in self._alone.pop(member.ref, ()):
                task.cancel()

    def ask(
        self,
        member: Member,
        message: Message,
        answer: Answer,
        describe: Callable[[str], dict[str, object]],
        slots: Slots,
    ) -> None:
        """Asks a model for the whole room, which is told what `describe` says of the stream with an id. Raises RATE_LIMITED where as many run
        as may."""
        if len(self._running) >= MOST or not slots.take():
            text = "as many streams run as may, in this room or on this connection"
            raise RunestoneError(Reason.RATE_LIMITED, text, code="too_many_streams")
        work = self._run(Asked(self, member, answer, describe), message, slots)
        self.spawn(work).add_done_callback(lambda _task: slots.give_back())

    async def steer(self, member: Member, stream_id: str, action: Action, check_may_control: Callable[[], None]) -> int:
        """Pauses, resumes or cancels a stream for everybody, and returns where in the room's order that stands. Who did not ask for it has to
        pass `check_may_control`. Raises NOT_FOUND for what does not run in this room, UNAVAILABLE when it cannot be reached, or nobody told."""
        generation = self._running.get(stream_id)
        if generation is None or generation.is_over:
            text = f"no stream {stream_id[:128]!r} runs in this room"
            raise RunestoneError(Reason.NOT_FOUND, text, code="stream_not_found")
        if generation.asker != (member.api_key, member.key):
            check_may_control()
        was_paused = generation.gate.is_paused
        if action == "pause":
            generation.gate.pause()
        try:
            await self._control(generation, action)
            told: dict[str, object] = {"stream_id": stream_id, "by": member.key, "ref": member.ref}
            return await self._room.say(member, WORDS[action], told)
        except RunestoneError:
            if not was_paused:
                generation.gate.resume()
            raise

    def heard(self, event: str, said: Said, *, is_old: bool) -> None:
        """Acts on what the room says of streams."""
        hear = _HEARD.get(event)
        started = read_started(bytes(said.told)) if hear is not None else None
        if hear is not None and started is not None:
            hear(self, started, said.api_key, is_old)

    async def close(self) -> None:
        """Reads nothing any more; the streams go on for those who come back."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, *(one.close() for one in self._running.values()), return_exceptions=True)

    # What a stream that is asked for here needs.

    def begin(self, stream_id: str, api_key: str, key: str) -> Generation:
        """A stream that runs in the room from now on."""
        generation = self._running[stream_id] = self._make_generation(stream_id, api_key, key)
        return generation

    async def announce(self, member: Member, told: dict[str, object]) -> int:
        """Tells everybody that it begins."""
        return await self._room.say(member, STARTED, told)

    async def abandon(self, generation: Generation) -> None:
        """Ends it: it would go on for nobody."""
        self._forget(generation)
        generation.cut()
        self._means.end(generation.stream_id, GIVEN_UP)
        with contextlib.suppress(RunestoneError):
            await self._control(generation, "cancel")

    def spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Runs `work` as long as the room is open."""
        task = start(work, f"stream of {self._room.topic}", self._means.log)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _control(self, generation: Generation, action: Action) -> None:
        """Of a stream that has just begun here, or could not be noted, nobody else may know."""
        stream_id, pause_window = generation.stream_id, self._means.door().pause_window
        try:
            await self._means.control.control(self._tenant, stream_id, ACTIONS[action], pause_window=pause_window)
        except RunestoneError as error:
            if error.reason is not Reason.NOT_FOUND or not generation.is_own:
                raise
            if action == "cancel":
                self._means.end(stream_id, GIVEN_UP)

    # What the room says.

    def _hear_started(self, started: Started, api_key: str, is_old: bool) -> None:
        if is_old:
            self._before[started.stream_id] = (started, api_key)
            return
        generation = self._running.get(started.stream_id) or self._follow_elsewhere(started, api_key)
        if generation is not None:
            for member in self._members.values():
                generation.add(member)
            generation.heard.set()

    def _hear_ended(self, started: Started, _api_key: str, _is_old: bool) -> None:
        self._before.pop(started.stream_id, None)

    def _hear_paused(self, started: Started, _api_key: str, _is_old: bool) -> None:
        if generation := self._running.get(started.stream_id):
            generation.gate.pause()

    def _hear_resumed(self, started: Started, _api_key: str, _is_old: bool) -> None:
        self._means.let_pass(started.stream_id)
        if generation := self._running.get(started.stream_id):
            generation.gate.resume()

    def _hear_cancelled(self, started: Started, _api_key: str, _is_old: bool) -> None:
        self._means.let_pass(started.stream_id)
        if generation := self._running.get(started.stream_id):
            generation.cut()
            generation.gate.resume()

    # How they are read.

    def _follow_elsewhere(self, started: Started, api_key: str, *, after: int = 0) -> Generation | None:
        if len(self._running) >= 2 * MOST or started.stream_id in self._running:
            return None
        generation = self.begin(started.stream_id, api_key, started.by)
        generation.skip(after)
        self.spawn(self._follow(generation, api_key))
        return generation

    def _resume_alone(self, member: Member, stream_id: str, after: int) -> None:
        """A stream that is nothing of the room's, or no more, for one who has a part of it."""
        generation = self._make_generation(stream_id, member.api_key, member.key)
        generation.skip(after)
        generation.add(member, after)
        self._alone.setdefault(member.ref, []).append(self.spawn(self._follow(generation, member.api_key, KNOWN)))

    def _make_generation(self, stream_id: str, api_key: str, key: str) -> Generation:
        door = self._means.door()
        generation = Generation(
            stream_id,
            self._room.topic,
            Gate(door.pause_window),
            frame_text=self._means.frame_text,
            read_alone=self._reader.read_alone,
            max_waiting=door.max_buffer // 2,
            max_bytes=MAX_BYTES,
        )
        generation.asker = (api_key, key)
        return generation

    async def _run(self, asked: Asked, message: Message, slots: Slots) -> None:
        """The call that is asked for here; then what its end means to the room."""

        def make_reply(call_id: str, _voice: Voice) -> StreamReply:
            return StreamReply(asked.open(call_id))

        try:
            outcome = await self._means.reading.calls.run(message, make_reply)
        except RunestoneError as error:  # before there was a call
            asked.refuse(error)
            return
        except ConnectionError:
            outcome = CUT_OFF
        generation = asked.generation
        if generation is None or self._running.get(generation.stream_id) is not generation:
            return
        if slots.is_draining and outcome.error is not None and outcome.error.reason is Reason.UNAVAILABLE:
            self._forget(generation)  # the process stops: it goes on elsewhere
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(generation.heard.wait(), ORDER)
        self.spawn(self._note_end(asked.member, describe_end(generation.stream_id, outcome)))
        await self._finish(generation, tell_end(generation, outcome, is_shared=False))

    async def _follow(
        self, generation: Generation, api_key: str, patiences: Mapping[Reason, float] = PATIENCES
    ) -> None:
        try:
            outcome = await self._reader.follow(generation, api_key, patiences)
        except ConnectionError:
            outcome = CUT_OFF
        await self._finish(generation, tell_end(generation, outcome, is_shared=True))

    async def _finish(self, generation: Generation, telling: Coroutine[Any, Any, None]) -> None:
        """Forgets the stream when everybody here has read its end."""
        try:
            await telling
            await generation.wait_until_read()
        finally:
            await generation.close()
            self._forget(generation)

    async def _note_end(self, member: Member, told: dict[str, object]) -> None:
        with contextlib.suppress(RunestoneError):  # who is there sees the end itself
            await self._room.say(member, ENDED, told)

    def _forget(self, generation: Generation) -> None:
        if self._running.get(generation.stream_id) is generation:
            del self._running[generation.stream_id]

    def __repr__(self) -> str:
        return f"RoomStreams({self._room.topic}, {len(self._running)} running)"


_Hear = Callable[[RoomStreams, Started, str, bool], None]
_HEARD: dict[str, _Hear] = {
    STARTED: RoomStreams._hear_started,  # noqa: SLF001  its own table
    ENDED: RoomStreams._hear_ended,  # noqa: SLF001  its own table
    PAUSED: RoomStreams._hear_paused,  # noqa: SLF001  its own table
    RESUMED: RoomStreams._hear_resumed,  # noqa: SLF001  its own table
    CANCELLED: RoomStreams._hear_cancelled,  # noqa: SLF001  its own table
}
