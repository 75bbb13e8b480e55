"""Delivers a stream's events to one channel."""

from collections.abc import Sequence

import orjson

from chassis.errors import Reason, RunestoneError
from gateway_edge.channels.channel import Answer, Channel
from gateway_edge.channels.frames import open_push
from gateway_edge.channels.numbering import Numbered
from gateway_edge.channels.telling import write_failed, write_started, write_stream
from gateway_edge.door.intake import STREAM_HEADER
from gateway_edge.messages.gate import Gate

PRESSURE = 16 << 10  # bytes that a client has not taken, from which on events that came together are sent together


class Delivery:
    """The `Sink` of a stream that one channel reads: the channel is told what the stream is, and `gate` holds it back. `answer` is that of
    the message which asked; a stream that is resumed has none: its join was answered."""

    def __init__(self, channel: Channel, stream_id: str, gate: Gate, answer: Answer | None = None) -> None:
        self._channel = channel
        self._stream_id = stream_id
        self._gate = gate
        self._answer = answer
        self._is_admitted = answer is None
        self._is_over = self._is_tied = self._is_alone = False
        self._head = b'%b{"stream_id":%b,' % (
            open_push(channel.join_ref, channel.topic, "stream:chunk"),
            orjson.dumps(stream_id),
        )

    def admit(self) -> None:
        """Tells who asked which stream it is."""
        if self._answer is not None:
            self._tie(is_tied=True)  # whether others can find it is not known before it starts
            self._answer.ok(write_stream(self._stream_id))
        self._is_admitted = True

    def start(self, headers: dict[str, str]) -> None:
        """Says who answers, to who did not know. A stream without an id in `headers` could not be noted, and is found nowhere but here."""
        if self._answer is not None:
            self._is_alone = STREAM_HEADER not in headers
            self._tie(is_tied=self._is_alone)
            self._channel.push("stream:started", write_started(self._stream_id, headers))

    async def deliver(self, events: Sequence[Numbered]) -> None:
        """Sends each by itself; together what came together when its client reads slowly, so that there is less to read. Then waits while it
        has more than it may. Raises ConnectionResetError when it is gone, and what the gate raises."""
        await self._gate.wait()
        socket = self._channel.socket
        if not self._channel.is_open:
            raise ConnectionResetError("the channel is closed")
        for text in write_chunks(self._head, events, are_together=socket.buffered > PRESSURE):
            socket.send(text)
        await socket.drain()

    def fail(self, error: RunestoneError) -> None:
        """Says how it ended, once: in the answer while that was not given. What ends because the process does is not over: its client comes
        back for it elsewhere, when its socket closes, unless it is found nowhere else."""
        if self._is_over:
            return
        self._is_over = True
        if not self._is_admitted and self._answer is not None:
            self._answer.error(error)
        elif error.reason is Reason.UNAVAILABLE and self._channel.streams.is_draining and not self._is_alone:
            return
        elif error.reason is Reason.CANCELLED:
            self._channel.push("stream:cancelled", write_stream(self._stream_id))
        else:
            self._channel.push("stream:error", write_failed(self._stream_id, error))

    def end(self) -> None:
        """It is over here, and its client was told how."""
        self._tie(is_tied=False)

    def _tie(self, *, is_tied: bool) -> None:
        if is_tied == self._is_tied:
            return
        self._is_tied = is_tied
        (self._channel.streams.tie if is_tied else self._channel.streams.untie)()


def write_chunks(head: bytes, events: Sequence[Numbered], *, are_together: bool) -> list[bytes]:
    """The messages that say `events`, one each or one for all; `head` is what they begin with, up to their numbers. Pure."""
    if are_together and len(events) > 1:
        return [head + write_several(events) + b"]"]
    return [head + write_one(event) + b"]" for event in events]


def write_one(event: Numbered) -> bytes:
    """The rest of a payload that has one event."""
    first = b"" if event.first == event.seq else b'"first_seq":%d,' % event.first
    name = b'"event":%b,' % orjson.dumps(event.name) if event.name else b""
    return b'%b"seq":%d,%b"chunk":%b}' % (first, event.seq, name, event.data)


def write_several(events: Sequence[Numbered]) -> bytes:
    """The rest of a payload that has several."""
    names = b""
    if any(event.name for event in events):
        names = b'"events":%b,' % orjson.dumps([event.name for event in events])
    chunks = b",".join([event.data for event in events])
    return b'"first_seq":%d,"seq":%d,%b"chunks":[%b]}' % (events[0].first, events[-1].seq, names, chunks)
