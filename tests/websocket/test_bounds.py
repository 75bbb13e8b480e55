"""What one WebSocket may do to the process: little. Rows 8 and 9 of what the gateway promises when it is abused, in small."""

import asyncio
import gc
import zlib
from typing import Any

import pytest
from raw_websocket import (
    BINARY,
    CLOSE,
    CONT,
    FIN,
    PING,
    PONG,
    RSV1,
    TEXT,
    Frame,
    RawClient,
    close_payload,
    connected,
    frame,
    handshake,
)
from socket_stage import Echo, Stage, until

from gateway_edge.protection.memory import resident_size
from gateway_edge.websocket.application import Socket

MIB = 1 << 20
OFFER = handshake(sec_websocket_extensions="permessage-deflate; client_max_window_bits")


def edge(**websocket: Any) -> dict[str, Any]:
    return {"edge": {"websocket": websocket}}


async def code_of(client: RawClient) -> int:
    """That of the close frame, whatever came before."""
    *_, last = await client.receive_all()
    assert last.opcode == CLOSE, last
    return int.from_bytes(last.payload[:2], "big")


def squeeze(data: bytes) -> bytes:
    """A whole message as permessage-deflate sends it."""
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (deflater.compress(data) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]


class Flood(Echo):
    """Answers one message with `count` of a MiB each, and waits between them where it is told to."""

    def __init__(self, socket: Socket, count: int, *, waits: bool) -> None:
        super().__init__(socket)
        self.sent = 0
        self.gone = False
        self._count = count
        self._waits = waits
        self._task: asyncio.Task[None] | None = None

    def received(self, message: str | bytes) -> None:
        self.received_messages.append(message)
        self._task = asyncio.get_running_loop().create_task(self._flood())

    async def _flood(self) -> None:
        try:
            for _ in range(self._count):
                self.socket.send_binary(b"x" * MIB)
                self.sent += 1
                if self._waits:
                    await self.socket.drain()
        except ConnectionResetError:
            self.gone = True


async def test_a_client_that_does_not_read_holds_up_its_source_and_is_closed() -> None:
    """Nothing more is sent while what may wait does; and nobody waits for ever."""
    stage = Stage(
        edge(max_buffer="256KiB", slow_consumer_timeout="300ms"), lambda socket: Flood(socket, 1000, waits=True)
    )
    async with stage.listening(sweep=0.02) as port, connected(port) as client:
        client.send(frame(TEXT, b"go"))
        await until(lambda: stage.opened and stage.opened[0].gone)
        flood = stage.opened[0]
        assert flood.sent < 50  # the kernel's buffers, and one that waits
        assert await code_of(client) == 1013
        await until(lambda: flood.end)
        assert flood.end == (1013, "the client reads too slowly")


async def test_who_sends_without_waiting_is_stopped_at_twice_what_may_wait() -> None:
    stage = Stage(edge(max_buffer="1MiB"), lambda socket: Flood(socket, 1000, waits=False))
    async with stage.listening() as port, connected(port) as client:
        client.send(frame(TEXT, b"go"))
        await until(lambda: stage.opened and stage.opened[0].sent == 1000)
        socket = stage.opened[0].socket
        assert not socket.is_open
        assert socket.buffered < 16 * MIB
        assert await code_of(client) == 1013


async def test_a_thousand_readers_that_stop_reading_take_bounded_memory_and_are_closed() -> None:
    """Each is sent as much as it may have waiting, and no more; then all are let go of."""
    stage = Stage(
        {"edge": {"websocket": {"max_buffer": "64KiB", "slow_consumer_timeout": "1s"}}},
        lambda socket: Flood(socket, 100, waits=True),
    )
    count = 1000
    async with stage.listening(sweep=0.05) as port:
        writers = [(await asyncio.open_connection("127.0.0.1", port, limit=1024))[1] for _ in range(count)]
        before = resident_size()
        for writer in writers:
            writer.transport.pause_reading()
            writer.write(handshake() + frame(TEXT, b"go"))
        await until(lambda: sum(flood.gone for flood in stage.opened) == count, 50)
        buffered = max(flood.socket.buffered for flood in stage.opened)
        assert buffered <= MIB + (64 << 10)  # a message that was begun, and what may wait
        assert resident_size() - before < count * (2 * MIB)
        for writer in writers:
            writer.transport.abort()
        await until(lambda: len(stage.sockets) == 0, 20)
        assert {flood.end[0] for flood in stage.opened if flood.end} == {1013}
    gc.collect()


async def test_messages_have_a_pace() -> None:
    """As many at once as in a second; who sends more is closed with a reason. Pings count."""
    for opcode in (TEXT, PING):
        stage = Stage(edge(max_messages_per_second=20))
        async with stage.listening() as port, connected(port) as client:
            client.send(frame(opcode, b"m") * 200 + frame(CLOSE, close_payload(1008)))
            *_, last = await client.receive_all()
            assert last.payload == close_payload(1008, b"more than 20 messages a second")
            assert stage.measure('runestone_socket_closes_total{code="1008"')


async def test_a_burst_of_one_client_is_handled_in_turns() -> None:
    """Others are served in between: a thousand messages that came at once do not hold up one that came after."""
    stage = Stage(edge(max_messages_per_second=100_000))
    async with stage.listening() as port, connected(port) as greedy, connected(port) as modest:
        await until(lambda: len(stage.opened) == 2)
        greedy.send(frame(TEXT, b"m") * 5000)
        modest.send(frame(TEXT, b"one"))
        assert await modest.receive() == Frame(TEXT, b"one")
        assert len(stage.opened[0].received_messages) < 5000
        for _ in range(5000):
            assert await greedy.receive() == Frame(TEXT, b"m")


async def test_a_peer_that_is_silent_for_two_heartbeats_is_closed() -> None:
    """A ping is enough to stay."""
    stage = Stage(edge(heartbeat_interval="150ms"))
    async with stage.listening(sweep=0.02) as port, connected(port) as silent, connected(port) as alive:
        closing = asyncio.create_task(code_of(silent))
        pings = 0
        while not closing.done():
            alive.send(frame(PING))
            assert (await alive.receive()) is not None
            pings += 1
            await asyncio.wait([closing], timeout=0.05)
        assert (closing.result(), pings > 3) == (1001, True)
        alive.send(frame(TEXT, b"still here"))
        assert await alive.receive() == Frame(TEXT, b"still here")


async def receive_two(client: RawClient) -> tuple[Frame | None, Frame | None]:
    return await client.receive(), await client.receive()


async def test_where_no_heartbeat_is_spoken_a_silent_peer_is_asked_first() -> None:
    """One that answers pings stays; that is counted as nothing. One that does not is closed when it always would have been."""
    stage = Stage(edge(heartbeat_interval="500ms"))
    request = handshake("/v1/responses")
    async with stage.listening(sweep=0.02) as port, connected(port, request) as alive, connected(port, request) as dead:
        closing = asyncio.create_task(receive_two(dead))
        while not closing.done():
            assert await alive.receive() == Frame(PING, b"")
            alive.send(frame(PONG))
        ping, last = closing.result()
        assert ping == Frame(PING, b"")
        assert last is not None
        assert last.payload[:2] == close_payload(1001)
        alive.send(frame(TEXT, b"still here"))
        assert await alive.receive() == Frame(TEXT, b"still here")
        assert stage.measure('runestone_connections_expired_total{phase="silent"}') == {
            'runestone_connections_expired_total{phase="silent"}': 1.0
        }


async def test_a_message_that_does_not_end_is_given_up() -> None:
    """However busily its fragments come."""
    stage = Stage({"edge": {"protection": {"body_timeout": "200ms"}}})
    async with stage.listening(sweep=0.02) as port, connected(port) as client:
        client.send(frame(TEXT, b"a", bits=0))
        closing = asyncio.create_task(code_of(client))
        while not closing.done():
            client.send(frame(CONT, b"a", bits=0))
            await asyncio.wait([closing], timeout=0.02)
        assert closing.result() == 1001


async def test_a_close_that_is_not_answered_ends_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage({})
    monkeypatch.setattr("gateway_edge.websocket.terms.CLOSE_PATIENCE", 0.1)
    monkeypatch.setattr("gateway_edge.websocket.terms.Terms.close_patience", 0.1)
    async with stage.listening(sweep=0.02) as port, connected(port) as client:
        await until(lambda: stage.opened)
        stage.opened[0].socket.close(4000, "enough")
        assert await client.receive() == Frame(CLOSE, close_payload(4000, b"enough"))
        await until(lambda: stage.opened[0].end)
        assert stage.opened[0].end == (4000, "enough")


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(BINARY, squeeze(bytes(64 * MIB)), bits=FIN | RSV1), 1009),
        (frame(TEXT, squeeze(b"\xc0\xaf"), bits=FIN | RSV1), 1007),
        (frame(TEXT, b"\xff\xff\xff", bits=FIN | RSV1), 1007),
        (frame(TEXT, squeeze(b"a"), bits=RSV1) + frame(CONT, b"", bits=FIN | RSV1), 1002),
    ],
    ids=["a bomb", "bad text", "what is not deflated", "a compressed continuation"],
)
async def test_compression_is_bounded(sent: bytes, code: int) -> None:
    """A message of 64 KiB that would be 64 MiB is given up at what a message may be."""
    stage = Stage(edge(compression=True, max_frame_size="1MiB"))
    async with stage.listening() as port, connected(port, OFFER) as client:
        assert b"permessage-deflate; server_no_context_takeover; client_no_context_takeover" in client.answer
        before = resident_size()
        client.send(sent)
        assert await code_of(client) == code
        assert resident_size() - before < 10 * MIB


async def test_compressed_messages_are_understood_and_sent() -> None:
    stage = Stage(edge(compression=True))
    async with stage.listening() as port, connected(port, OFFER) as client:
        long = b"all work and no play " * 200
        client.send(frame(TEXT, squeeze(long)[:50], bits=RSV1) + frame(CONT, squeeze(long)[50:]))
        answer = await client.receive()
        assert answer is not None
        assert answer.bits == FIN | RSV1
        assert zlib.decompressobj(-15).decompress(answer.payload + b"\0\0\xff\xff") == long
        client.send(frame(TEXT, b"short"))
        assert await client.receive() == Frame(TEXT, b"short")


async def test_compression_is_off_unless_asked_for() -> None:
    async with Stage({}).listening() as port, connected(port, OFFER) as client:
        assert b"sec-websocket-extensions" not in client.answer
        client.send(frame(TEXT, squeeze(b"a"), bits=FIN | RSV1))
        assert await code_of(client) == 1002


async def test_an_application_may_stop_reading() -> None:
    """What came is kept where it is, the rest waits in the client's TCP; reading on finds all of it in order."""
    stage = Stage(edge(max_messages_per_second=100_000))
    async with stage.listening() as port, connected(port) as client:
        await until(lambda: stage.opened)
        socket = stage.opened[0].socket
        socket.pause_reading()
        client.send(b"".join(frame(TEXT, b"%d" % n) for n in range(100)))
        client.send(frame(BINARY, b"x" * MIB) * 20)
        await asyncio.wait([asyncio.ensure_future(client.flush())], timeout=0.2)
        assert stage.opened[0].received_messages == []
        socket.resume_reading()
        received = [await client.receive() for _ in range(120)]
        assert received[:100] == [Frame(TEXT, b"%d" % n) for n in range(100)]
