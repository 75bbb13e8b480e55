"""One answer as the members of a room read it: each event is framed once, and the same bytes go to everybody.

The source waits for no reader. One that has too much waiting is left out, and caught up with what is kept here when it has read that; one
that comes late is caught up from the beginning. What is no longer kept it reads for itself.
"""

import asyncio
from bisect import bisect_right
from collections.abc import Awaitable, Callable, Sequence

import orjson

from chassis.errors import RunestoneError
from gateway_edge.channels.delivery import write_one
from gateway_edge.channels.frames import open_push, write_broadcast
from gateway_edge.channels.numbering import Numbered
from gateway_edge.channels.telling import write_failed
from gateway_edge.messages.gate import Gate
from gateway_edge.rooms.crowd import Listener, Member

PIECE = 64 << 10  # bytes that are sent at once to who catches up
FrameText = Callable[[bytes], bytes]
ReadAlone = Callable[["Generation", Listener, int], Awaitable[int]]


class Generation:
    """The stream `stream_id` in the room `topic`. Events are kept up to `max_bytes`. A reader with more than `max_waiting` bytes waiting
    falls behind; `read_alone` reads for one what is no longer kept, and says up to which event. `gate` is shut while the stream is paused."""

    def __init__(
        self,
        stream_id: str,
        topic: str,
        gate: Gate,
        *,
        frame_text: FrameText,
        read_alone: ReadAlone,
        max_waiting: int,
        max_bytes: int,
    ) -> None:
        self.stream_id = stream_id
        self.gate = gate
        self.last = 0
        self.floor = 0  # events up to this one are no longer kept
        self.asker = ("", "")  # API key and presence key of who asked
        self.is_own = False  # whether its call runs in this process
        self.over = asyncio.Event()
        self.heard = asyncio.Event()  # whether the room has told of it
        self._topic = topic
        self._frame_text = frame_text
        self._read_alone = read_alone
        self._max_waiting = max_waiting
        self._max_bytes = max_bytes
        self._head = open_push(None, topic, "stream:chunk") + b'{"stream_id":%b,' % orjson.dumps(stream_id)
        self._seqs: list[int] = []
        self._frames: list[bytes] = []
        self._held = 0
        self._end = b""
        self._live: dict[str, Listener] = {}
        self._behind: dict[str, asyncio.Task[None]] = {}
        self._ahead: dict[str, tuple[Listener, int]] = {}  # who read more of it elsewhere than is here yet

    @property
    def is_over(self) -> bool:
        """Whether its end was told."""
        return self.over.is_set()

    def frame(self, event: Numbered) -> bytes:
        """One event as it is sent."""
        return self._frame_text(self._head + write_one(event) + b"]")

    def feed(self, events: Sequence[Numbered]) -> None:
        """The next events: to everybody who is not behind."""
        if self.is_over or not events:
            return
        before, frames = self.last, [self.frame(event) for event in events]
        self._keep(events, frames)
        sent, behind = b"".join(frames), []
        for ref, listener in self._live.items():
            if listener.buffered > self._max_waiting:
                behind.append((ref, listener))
            else:
                listener.send_frame(sent)
        for ref, listener in behind:
            self._fall_behind(ref, listener, before)
        if self._ahead:
            self._meet(events, frames)

    def skip(self, after: int) -> None:
        """Begins behind event `after`."""
        self.last = self.floor = after

    def end(self, event: str, payload: bytes) -> None:
        """Tells the end, to each behind what it reads yet."""
        if not self.is_over:
            self._end = self._frame_text(write_broadcast(self._topic, event, payload))
            self.over.set()
            for listener in (*self._live.values(), *(listener for listener, _ in self._ahead.values())):
                listener.send_frame(self._end)
            self._live.clear()
            self._ahead.clear()

    def cut(self) -> None:
        """Ends it for everybody, who are told otherwise."""
        self.over.set()
        self._live.clear()
        self._ahead.clear()
        for task in self._behind.values():
            task.cancel()

    def add(self, member: Member, after: int = 0) -> None:
        """A member reads it, too, from behind event `after`. Harmless for one that does."""
        if member.ref in self._live or member.ref in self._behind or member.ref in self._ahead:
            return
        if after < self.last or self.is_over:
            self._fall_behind(member.ref, member.listener, after)
        else:
            self._place(member.ref, member.listener, after)

    def remove(self, member: Member) -> None:
        """A member reads no further. Harmless for one that does not."""
        self._live.pop(member.ref, None)
        self._ahead.pop(member.ref, None)
        if (task := self._behind.pop(member.ref, None)) is not None:
            task.cancel()

    async def close(self) -> None:
        """Ends what still runs for it."""
        tasks = list(self._behind.values())
        self.cut()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def wait_until_read(self) -> None:
        """Returns when nobody is behind any more."""
        while self._behind:
            await asyncio.wait(list(self._behind.values()))

    def _meet(self, events: Sequence[Numbered], frames: Sequence[bytes]) -> None:
        """Those who were ahead go on with the others when these have come as far."""
        for ref, (listener, after) in list(self._ahead.items()):
            if after <= self.last:
                news = b"".join(frame for event, frame in zip(events, frames, strict=True) if event.seq > after)
                if news:
                    listener.send_frame(news)
                del self._ahead[ref]
                self._live[ref] = listener

    def _keep(self, events: Sequence[Numbered], frames: Sequence[bytes]) -> None:
        self._seqs.extend(event.seq for event in events)
        self._frames.extend(frames)
        self._held += sum(map(len, frames))
        self.last = events[-1].seq
        if self._held > self._max_bytes:
            self._let_go()

    def _let_go(self) -> None:
        """Of the oldest events as many as make room for a while."""
        count, most = 0, self._max_bytes * 3 // 4
        while self._held > most and count < len(self._frames):
            self._held -= len(self._frames[count])
            count += 1
        self.floor = self._seqs[count - 1]
        del self._seqs[:count], self._frames[:count]

    def _fall_behind(self, ref: str, listener: Listener, cursor: int) -> None:
        self._live.pop(ref, None)
        self._behind[ref] = task = asyncio.create_task(self._catch_up(ref, listener, cursor))
        task.add_done_callback(lambda task: self._forget(ref, task))

    def _forget(self, ref: str, task: "asyncio.Task[None]") -> None:
        if self._behind.get(ref) is task:
            del self._behind[ref]

    async def _catch_up(self, ref: str, listener: Listener, cursor: int) -> None:
        """Sends what was missed, as the reader takes it; then it is with the others again."""
        try:
            while True:
                await listener.drain()
                if cursor < self.floor:
                    cursor = await self._read_alone(self, listener, cursor)
                    continue
                piece, cursor = self._cut_piece(cursor)
                if not piece:
                    self._rejoin(ref, listener, cursor)
                    return
                listener.send_frame(piece)
                await asyncio.sleep(0)
        except ConnectionError:
            return  # its socket tells the room
        except RunestoneError as error:
            told = write_failed(self.stream_id, error)
            listener.send_frame(self._frame_text(write_broadcast(self._topic, "stream:error", told)))

    def _cut_piece(self, cursor: int) -> tuple[bytes, int]:
        start = end = bisect_right(self._seqs, cursor)
        size = 0
        while end < len(self._frames) and (not size or size + len(self._frames[end]) <= PIECE):
            size += len(self._frames[end])
            end += 1
        return b"".join(self._frames[start:end]), self._seqs[end - 1] if end > start else cursor

    def _rejoin(self, ref: str, listener: Listener, cursor: int) -> None:
        if self.is_over:
            listener.send_frame(self._end)
            return
        self._behind.pop(ref, None)
        self._place(ref, listener, cursor)

    def _place(self, ref: str, listener: Listener, cursor: int) -> None:
        """Where a reader is that has all that is here; who read alone may have more."""
        if cursor > self.last:
            self._ahead[ref] = (listener, cursor)
        else:
            self._live[ref] = listener

    def __repr__(self) -> str:
        return f"Generation({self.stream_id}, {self.last} events, {len(self._live)} live, {len(self._behind)} behind)"
