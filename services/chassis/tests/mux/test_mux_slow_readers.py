"""A consumer that stops reading stops its producer, within bounds, and nobody else."""

import asyncio
import socket
from contextlib import aclosing

import pytest

from chassis.mux.flow import AHEAD, OVERHEAD, PART, WINDOW
from chassis.mux.server_session import ServerSession
from chassis.mux.socket_pipe import SUFFIX
from runestone.mux.v1.mux_pb2 import Frame, Open, SessionRequest

PATIENCE = 10
PLENTY = 12 << 20  # more than sessions, gRPC and the kernel hold for one call


class Source:
    """A producer of numbered messages of one size that counts what it was let say."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.messages = max(PLENTY // size, 10)
        self.said = 0

    @property
    def bytes_said(self) -> int:
        return self.said * self.size

    def message(self, number: int) -> bytes:
        return number.to_bytes(4) + bytes(self.size - 4)

    async def stream(self, request, context):
        for number in range(self.messages):
            self.said += 1
            yield self.message(number)


def held_by(call) -> int:
    """Bytes that the caller's end keeps for a call."""
    return sum(map(len, call._answers)) + sum(map(len, call._inflow._parts))


@pytest.mark.parametrize("size", [100, PART, PART + 1, 1 << 20, 3 << 20])
async def test_a_producer_runs_ahead_by_the_window_and_a_message(stage, size):
    """Bytes that were said and not read, whatever the size of the messages."""
    source = Source(size)
    pair = stage.pair(stream=source.stream)
    call = pair.begin("Stream")
    async with aclosing(call.answers()) as answers:
        for number in range(3):
            assert await anext(answers) == source.message(number)
            await stage.settle()
            unread = source.bytes_said - (number + 1) * size
            assert unread <= AHEAD + 2 * size  # the one that comes next, and the one that waits for credit
            assert held_by(call) <= AHEAD + size
            assert source.said < source.messages


@pytest.mark.parametrize("size", [100, 1 << 20])
async def test_a_consumer_that_goes_on_gets_everything_in_order_through(stage, pipe, size):
    source, address = Source(size), stage.address(pipe)
    async with stage.serving(address, stream=source.stream), stage.linked(address) as link:
        async with aclosing(link.stream(stage.STREAM, b"", PATIENCE, ())) as answers:
            assert await anext(answers) == source.message(0)
            await stage.wait_until(lambda: source.said > 1)
            await stage.settle()
            assert source.bytes_said < PLENTY // 2
            numbers = [int.from_bytes(answer[:4]) async for answer in answers]
    assert numbers == list(range(1, source.messages))


async def test_readers_that_stop_leave_other_calls_alone_through(stage, pipe):
    """Twenty streams that nobody reads, and calls of every size on the same session."""
    source, address = Source(10_000), stage.address(pipe)
    async with stage.serving(address, stream=source.stream) as server, stage.linked(address) as link:
        streams = [link.stream(stage.STREAM, b"", PATIENCE, ()) for _ in range(20)]
        try:
            for stream in streams:
                assert await anext(stream) == source.message(0)
            for size in (0, 10, 100_000, 1 << 20):
                answers = await asyncio.gather(
                    *(link.call(stage.UNARY, bytes([number]) * size, PATIENCE, ()) for number in range(5))
                )
                assert answers == [bytes([number]) * size for number in range(5)]
            assert link.running == server.limiter.running == 20
            assert source.bytes_said <= 20 * (AHEAD + 2 * source.size)
        finally:
            for stream in streams:
                await stream.aclose()


async def test_a_stream_that_is_read_goes_on_beside_one_that_is_not(stage, pipe):
    source, address = Source(50_000), stage.address(pipe)
    async with stage.serving(address, stream=source.stream), stage.linked(address) as link:
        async with aclosing(link.stream(stage.STREAM, b"", PATIENCE, ())) as stopped:
            await anext(stopped)
            async with aclosing(link.stream(stage.STREAM, b"", PATIENCE, ())) as read:
                assert len([answer async for answer in read]) == source.messages


async def test_a_large_request_whose_callee_gives_no_credit_leaves_other_calls_alone(stage):
    pair = stage.pair()
    pair.callee._max_message = PLENTY
    slow = pair.begin("Unary", bytes(PLENTY // 2))
    quick = [pair.begin("Unary", b"%d" % number) for number in range(10)]
    assert [await call.answer() for call in quick] == [b"%d" % number for number in range(10)]
    assert not slow._is_over, "a large request was done before small ones that came after it"
    assert len(await slow.answer()) == PLENTY // 2


async def test_a_peer_that_does_not_read_its_socket_costs_bounded_memory(stage, monkeypatch):
    """A process that is stopped while it has many streams open: the callee keeps a window for each, and no more."""
    sessions: list[ServerSession] = []
    began = ServerSession.__init__
    monkeypatch.setattr(
        ServerSession,
        "__init__",
        lambda self, *args, **options: (sessions.append(self), began(self, *args, **options))[1],
    )
    source, streams = Source(10_000), 30
    async with stage.serving(address := stage.address("socket"), stream=source.stream):
        opens = [Frame(call=n, open=Open(method=stage.STREAM, timeout_us=10**7)) for n in range(1, streams + 1)]
        batch = SessionRequest(frames=opens).SerializeToString()
        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(address.removeprefix("unix:") + SUFFIX)
            peer.sendall(len(batch).to_bytes(4) + batch)
            await stage.wait_until(lambda: source.said >= streams * (WINDOW // (source.size + OVERHEAD)))
            await stage.settle()
            assert source.bytes_said <= streams * (AHEAD + source.size)
            assert sessions[0]._outbox.size <= streams * AHEAD
        await stage.wait_until(lambda: not sessions[0]._calls)
