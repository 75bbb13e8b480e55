"""What nobody should send ends the session or is ignored: no crash, no hang, no memory without bound."""

import asyncio
import contextlib
import os
import random

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.errors import Reason, RunestoneError
from chassis.mux.flow import PART, WINDOW
from chassis.mux.socket_pipe import GREETING, LIMIT, SUFFIX, SocketPipe
from runestone.mux.v1.mux_pb2 import Cancel, Frame, Goodbye, Open, Part, SessionRequest, SessionResponse, Status

PATIENCE = 10
HUGE = (1 << 32) - 1


def framed(batch: bytes) -> bytes:
    return len(batch).to_bytes(4) + batch


def request_of(*frames: Frame) -> bytes:
    return SessionRequest(frames=frames).SerializeToString()


def response_of(*frames: Frame) -> bytes:
    return SessionResponse(frames=frames).SerializeToString()


def opening(number: int, method: str = "/test.Acts/Unary", **fields) -> Frame:
    return Frame(call=number, open=Open(method=method, **{"timeout_us": 10**7, **fields}))


ENDS_THE_CONNECTION = {
    "protobuf garbage": framed(b"\xff" * 100),
    "a batch above the limit": (LIMIT + 1).to_bytes(4) + b"x",
    "the hugest length": HUGE.to_bytes(4) + b"x" * 1000,
    "a number twice": framed(request_of(opening(1, "/test.Acts/Stream"), opening(1, "/test.Acts/Stream"))),
    "a number that is over": framed(request_of(opening(5))) + framed(request_of(opening(4))),
    "call zero": framed(request_of(opening(0))),
    "more credit than was spent": framed(
        request_of(opening(1, "/test.Acts/Stream"), *[Frame(call=1, credit=HUGE)] * 10)
    ),
}
ENDS_NO_MORE_THAN_A_CALL = {
    "nothing": framed(b""),
    "a frame of no kind": framed(request_of(Frame(call=3))),
    "frames of calls that never were": framed(
        request_of(
            Frame(call=9, part=Part(data=b"x")),
            Frame(call=9, credit=HUGE),
            Frame(call=9, cancel=Cancel()),
            Frame(call=9),
        )
    ),
    "frames that only a callee sends": framed(
        request_of(
            Frame(call=1, status=Status(code=0)), Frame(goodbye=Goodbye()), opening(1), Frame(call=1, status=Status())
        )
    ),
    "parts beyond the last": framed(request_of(opening(1), *[Frame(call=1, part=Part(data=b"more", more=True))] * 9)),
    "a part that is too small": framed(request_of(opening(1, more=True), Frame(call=1, part=Part(more=True)))),
    "a part that is too large": framed(
        request_of(opening(1, more=True, request=bytes(PART)), Frame(call=1, part=Part(data=bytes(3 * WINDOW))))
    ),
    "no such method": framed(request_of(opening(1, "/test.Acts/Nothing"), opening(2, ""))),
    "no time": framed(request_of(opening(1, timeout_us=0))),
    "all the time there is": framed(request_of(opening(1, timeout_us=(1 << 64) - 1))),
    "metadata that is no text": framed(
        request_of(Frame(call=1, open=Open(method="/test.Acts/Unary", metadata=[{"key": "x", "value": b"\xff"}])))
    ),
    "cancel twice": framed(request_of(opening(1), Frame(call=1, cancel=Cancel()), Frame(call=1, cancel=Cancel()))),
}


async def talk_to(stage, address: str, said: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_unix_connection(address.removeprefix("unix:") + SUFFIX)
    writer.write(said)
    return reader, writer


async def hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(ConnectionError):  # the other end was first
        await writer.wait_closed()


async def read_until_the_end(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(PATIENCE):
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""


async def read_batch(reader: asyncio.StreamReader) -> SessionResponse:
    async with asyncio.timeout(PATIENCE):
        size = int.from_bytes(await reader.readexactly(4))
        return SessionResponse.FromString(await reader.readexactly(size))


@pytest.mark.parametrize("said", ENDS_THE_CONNECTION.values(), ids=ENDS_THE_CONNECTION)
async def test_a_caller_that_breaks_the_rules_loses_its_connection_and_nobody_elses(stage, said):
    address, scene = stage.address("socket"), stage.Scene()
    async with stage.serving(address, stream=scene.stream) as server, stage.linked(address) as link:
        assert await link.call(stage.UNARY, b"before", PATIENCE, ()) == b"before"
        reader, writer = await talk_to(stage, address, said)
        await read_until_the_end(reader)
        await hang_up(writer)
        assert await link.call(stage.UNARY, b"after", PATIENCE, ()) == b"after"
        await stage.wait_until(lambda: len(server._mux._sessions) == 1)
        await stage.wait_until(lambda: not server.limiter.running)


@pytest.mark.parametrize("said", ENDS_NO_MORE_THAN_A_CALL.values(), ids=ENDS_NO_MORE_THAN_A_CALL)
async def test_what_makes_no_sense_ends_a_call_at_most(stage, said):
    """The session goes on: a call after it is answered."""
    async with stage.serving(address := stage.address("socket")) as server:
        reader, writer = await talk_to(stage, address, said + framed(request_of(opening(10, request=b"hello"))))
        answered = []
        while not any(frame.call == 10 for frame in answered):
            answered += (await read_batch(reader)).frames
        assert next(frame.status.message for frame in answered if frame.call == 10) == b"hello"
        assert all(frame.WhichOneof("kind") in {"status", "credit"} for frame in answered)
        await stage.wait_until(lambda: not server.limiter.running)
        await hang_up(writer)
        await stage.wait_until(lambda: not server._mux._sessions)


@pytest.mark.parametrize("cut", [1, 3, 4, 5, 40])
async def test_a_batch_that_is_cut_is_never_begun(stage, cut):
    began = asyncio.Event()

    async def note(request, context):
        began.set()
        return b""

    async with stage.serving(address := stage.address("socket"), unary=note) as server:
        _, writer = await talk_to(stage, address, framed(request_of(opening(1, request=bytes(100))))[:cut])
        await stage.wait_until(lambda: server._mux._sessions)
        await hang_up(writer)
        await stage.wait_until(lambda: not server._mux._sessions)
        assert not began.is_set()


async def test_batches_may_arrive_byte_by_byte(stage):
    async with stage.serving(address := stage.address("socket")):
        reader, writer = await talk_to(stage, address, b"")
        for byte in framed(request_of(opening(1, request=b"slow"))):
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)
        assert not (await read_batch(reader)).frames, "the greeting"
        assert (await read_batch(reader)).frames[0].status.message == b"slow"
        await hang_up(writer)


async def test_random_bytes_never_hurt_the_service(stage):
    """A hundred connections of noise, half of it behind a length that could be one."""
    noise = random.Random(11)
    address = stage.address("socket")
    async with stage.serving(address) as server, stage.linked(address) as link:
        for turn in range(100):
            said = noise.randbytes(noise.randrange(1, 2000))
            _, writer = await talk_to(stage, address, framed(said) if turn % 2 else said)
            await hang_up(writer)
        assert await link.call(stage.UNARY, b"after", PATIENCE, ()) == b"after"
        await stage.wait_until(lambda: len(server._mux._sessions) == 1)


frames = st.builds(
    Frame,
    call=st.integers(0, 4),
    open=st.builds(
        Open,
        method=st.sampled_from(["/test.Acts/Unary", "/test.Acts/Stream", "/no"]),
        timeout_us=st.sampled_from([0, 10**5, 10**7]),
        request=st.binary(max_size=8) | st.just(bytes(PART)),
        more=st.booleans(),
    ),
) | st.one_of(
    st.builds(
        lambda call, data, more: Frame(call=call, part=Part(data=data, more=more)),
        st.integers(0, 4),
        st.binary(max_size=8) | st.just(bytes(PART)),
        st.booleans(),
    ),
    st.builds(lambda call, credit: Frame(call=call, credit=credit), st.integers(0, 4), st.integers(0, HUGE)),
    st.builds(lambda call: Frame(call=call, cancel=Cancel()), st.integers(0, 4)),
    st.builds(
        lambda call, code, message: Frame(call=call, status=Status(code=code, message=message, status=b"\x99")),
        st.integers(0, 4),
        st.integers(-5, 99),
        st.binary(max_size=8),
    ),
    st.just(Frame(goodbye=Goodbye())),
)
unhurried = settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def goes_on(session, batch: bytes) -> bool:
    """Whether the session takes the batch; if not, it says that the rules are broken, and nothing else is raised."""
    try:
        session.receive(batch)
    except RunestoneError as error:
        if error.reason is not Reason.INVALID_REQUEST:
            raise
        return False
    return True


batches = st.lists(st.lists(frames, max_size=6), max_size=6)


@unhurried
@given(said=batches)
def test_any_frames_in_any_order_leave_the_callee_consistent(stage, said):
    """Either the session says that the rules are broken, or it goes on; closed, it remembers nothing."""

    async def play() -> None:
        pair = stage.pair(max_message=4 * PART, max_calls=3)
        for frames_of_batch in said:
            if not goes_on(pair.callee, request_of(*frames_of_batch)):
                break
            await asyncio.sleep(0)
            while pair.callee.next_batch() is not None:
                pass
        await pair.callee.close()
        assert not pair.callee._calls
        assert pair.callee.idle.is_set()

    asyncio.run(play())


@unhurried
@given(said=batches)
def test_any_frames_in_any_order_leave_the_caller_consistent(stage, said):
    """Every call of its ends, well or with an error that says so."""

    async def play() -> None:
        pair = stage.pair(max_message=4 * PART, max_calls=10)
        pair.out.is_held = True
        calls = [asyncio.ensure_future(outcome_of(pair.begin("Unary"))) for _ in range(3)]
        calls.append(asyncio.ensure_future(outcome_of(pair.begin("Stream"), is_stream=True)))
        for frames_of_batch in said:
            if not goes_on(pair.caller, response_of(*frames_of_batch)):
                break
            await asyncio.sleep(0)
        pair.caller.fail("the end")
        async with asyncio.timeout(PATIENCE):
            outcomes = await asyncio.gather(*calls)
        assert all(isinstance(outcome, bytes | list | RunestoneError) for outcome in outcomes)
        assert not pair.caller._calls
        assert pair.caller.idle.is_set()

    asyncio.run(play())


async def outcome_of(call, *, is_stream: bool = False):
    try:
        return [answer async for answer in call.answers()] if is_stream else await call.answer()
    except RunestoneError as error:
        return error


WRONG_ENDS = {
    "well, without an answer": [Status()],
    "well, amid a message": [Part(data=bytes(PART), more=True), Status()],
    "with a code that nobody knows": [Status(code=77, details="?")],
    "with a negative code": [Status(code=-1)],
    "with details that are none": [Status(code=13, details="boom", status=b"\xff\xff")],
    "with a message beyond its credit": [Part(data=bytes(PART))] * 9,
}


def frame_of(step: Part | Status) -> Frame:
    return Frame(call=1, part=step) if isinstance(step, Part) else Frame(call=1, status=step)


@pytest.mark.parametrize("steps", WRONG_ENDS.values(), ids=WRONG_ENDS)
async def test_an_end_that_is_none_is_an_error_and_never_an_answer(stage, steps):
    pair = stage.pair()
    pair.out.is_held = True
    call = pair.begin("Unary")
    pair.caller.receive(response_of(*map(frame_of, steps)))
    with pytest.raises(RunestoneError) as failure:
        await call.answer()
    assert failure.value.reason in {Reason.INTERNAL, Reason.OVERLOADED}
    assert not pair.caller._calls


async def test_what_comes_after_the_end_is_ignored(stage):
    """A second status, parts after the status: the first end holds."""
    pair = stage.pair()
    pair.out.is_held = True
    call = pair.begin("Unary")
    late = [Status(code=13), Status(message=b"second"), Part(data=b"late"), Part(data=bytes(PART), more=True)]
    pair.caller.receive(response_of(frame_of(Status(message=b"first")), *map(frame_of, late)))
    assert await call.answer() == b"first"
    assert not pair.caller._calls


class Liar:
    """A callee that answers whatever it is asked with the same bytes, on its socket and over gRPC."""

    def __init__(self, said: bytes) -> None:
        self.said = said
        self.connections = 0

    async def on_socket(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        writer.write(framed(GREETING))
        try:
            await reader.readexactly(4)
            writer.write(framed(self.said))
            await reader.read()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the caller was faster
        finally:
            writer.close()

    async def over_grpc(self, batches, context):
        self.connections += 1
        yield GREETING
        async for _ in batches:
            yield self.said


async def start_liar(liar: Liar, pipe: str, address: str):
    if pipe == "socket":
        server = await asyncio.start_unix_server(liar.on_socket, address.removeprefix("unix:") + SUFFIX)
        return server.close
    server = grpc.aio.server()
    handler = grpc.stream_stream_rpc_method_handler(liar.over_grpc)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("runestone.mux.v1.MuxService", {"Session": handler}),)
    )
    server.add_insecure_port(address)
    await server.start()
    return lambda: asyncio.ensure_future(server.stop(0))


@pytest.mark.parametrize(
    "said",
    [b"\xff" * 50, response_of(*[Frame(call=1, credit=HUGE)] * 3)],
    ids=["protobuf garbage", "more credit than was spent"],
)
async def test_a_callee_that_breaks_the_rules_ends_the_session_and_its_calls_through(stage, pipe, said):
    """Its calls fail; they may have begun. The link connects again."""
    liar, address = Liar(said), stage.address(pipe)
    stop = await start_liar(liar, pipe, address)
    try:
        async with stage.linked(address) as link:
            for _ in range(2):
                assert await link.is_connected_within(PATIENCE)
                with pytest.raises(RunestoneError) as failure:
                    await link.call(stage.UNARY, b"", PATIENCE, ())
                assert (failure.value.reason, failure.value.may_have_begun) == (Reason.UNAVAILABLE, True)
            assert liar.connections >= 2
    finally:
        ending = stop()
        if ending is not None:
            await ending


async def test_garbage_over_grpc_ends_the_stream_with_what_was_wrong(stage):
    async with stage.serving(address := stage.address("grpc")) as server, grpc.aio.insecure_channel(address) as channel:
        stream = channel.stream_stream("/runestone.mux.v1.MuxService/Session")()
        await stream.write(b"\xff" * 50)
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            while await stream.read() is not grpc.aio.EOF:
                pass
        assert failure.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert failure.value.details() == "the caller sent what is no batch"
        await stage.wait_until(lambda: not server._mux._sessions)


async def test_calls_above_the_sessions_bound_are_refused_and_not_begun(stage):
    """Ten thousand, on both ends; those that run are not disturbed."""
    scene = stage.Scene()
    pair = stage.pair(unary=scene.unary)
    running = [pair.begin("Unary") for _ in range(10_000)]
    with pytest.raises(RunestoneError) as failure:
        pair.begin("Unary")
    assert (failure.value.reason, failure.value.may_have_begun) == (Reason.OVERLOADED, False)
    await stage.wait_until(lambda: len(pair.callee._calls) == 10_000)
    pair.caller._max_calls += 1  # a caller that does not keep its own bound
    with pytest.raises(RunestoneError) as failure:
        await pair.begin("Unary").answer()
    assert (failure.value.reason, failure.value.may_have_begun) == (Reason.OVERLOADED, False)
    for call in running:
        call.cancel()
    await stage.wait_until(lambda: pair.is_empty)


@pytest.mark.parametrize("size", [LIMIT + 1, HUGE])
async def test_a_pipe_keeps_nothing_of_a_batch_that_it_refuses(size):
    ended: list[str] = []
    pipe = SocketPipe(ended.append)
    pipe.carry(NoSession())
    pipe.data_received(size.to_bytes(4) + os.urandom(1000))
    assert not pipe._received
    pipe.connection_lost(None)
    assert ended == [f"the other end announced a batch of {size} bytes"]


class NoSession:
    def next_batch(self) -> None:
        return None

    def receive(self, batch: bytes) -> None:
        raise AssertionError("no batch came")
