"""How sessions begin, end and follow each other, and what that does to the calls on them."""

import asyncio
import socket
import subprocess
import sys
from contextlib import aclosing, contextmanager, suppress
from pathlib import Path

import pytest

from chassis.errors import Reason, RunestoneError
from chassis.mux.grpc_pipe import GrpcPipe
from chassis.mux.socket_pipe import SUFFIX, SocketPipe

PATIENCE = 10
LARGE = bytes(1 << 20)


async def failure_of(work) -> RunestoneError:
    with pytest.raises(RunestoneError) as failure:
        await asyncio.wait_for(work, PATIENCE)
    return failure.value


async def read_all(link, stage) -> list[bytes]:
    async with aclosing(link.stream(stage.STREAM, b"", PATIENCE, ())) as answers:
        return [answer async for answer in answers]


def mux_path(address: str) -> Path:
    return Path(address.removeprefix("unix:") + SUFFIX)


def pipes_of(server) -> list[type]:
    return [type(pipe) for pipe in server._mux._sessions.values()]


async def start_again(stage, address: str, **behaviour):
    """A server where another one is letting go of the address."""
    if not address.startswith("unix:"):
        await stage.wait_until(lambda: is_free(int(address.rpartition(":")[2])))
    return await stage.start(address, **behaviour)


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):
            probe.bind(("127.0.0.1", port))
            probe.listen()
            return True
    return False


@contextmanager
def process_at(address: str):
    """The hanging service as a process; killed at the end at the latest."""
    script = Path(__file__).with_name("hanging_service.py")
    process = subprocess.Popen([sys.executable, str(script), address])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def test_a_killed_callee_fails_what_it_had_begun_and_its_successor_is_found_through(stage, pipe):
    """`kill -9`, twice: running calls fail at once, and may have begun; calls go on as soon as the next process is up."""
    address = stage.address(pipe)
    async with stage.linked(address) as link:
        for _ in range(2):
            with process_at(address) as process:
                assert await link.is_connected_within(PATIENCE)
                assert await link.call(stage.UNARY, b"", PATIENCE, ()) == b"%d" % process.pid
                stream = link.stream(stage.STREAM, b"", 3600, ())
                assert await anext(stream) == b"begun"
                process.kill()
                error = await failure_of(anext(stream))
                assert (error.reason, error.may_have_begun) == (Reason.UNAVAILABLE, True)
                process.wait()
        error = await failure_of(link.call(stage.UNARY, b"", PATIENCE, ()))
        assert (error.reason, error.may_have_begun) == (Reason.UNAVAILABLE, False)
        assert link.running == 0


async def test_a_session_that_breaks_knows_of_each_call_whether_it_was_sent(stage):
    scene = stage.Scene()
    pair = stage.pair(unary=scene.unary)
    sent = pair.begin("Unary")
    await stage.settle()
    pair.out.is_held = True
    unsent = pair.begin("Unary")
    pair.caller.fail("cut")
    assert [(await failure_of(call.answer())).may_have_begun for call in (sent, unsent)] == [True, False]
    assert (await failure_of(outcome_of_begin(pair))).may_have_begun is False
    await pair.callee.close()


async def outcome_of_begin(pair):
    return pair.begin("Unary")


async def test_what_arrived_before_the_break_is_read_before_the_failure(stage):
    """And the failure comes after it: a truncated answer never looks complete."""
    pair = stage.pair(stream=stage.Scene(before=(b"1", b"2")).stream)
    call = pair.begin("Stream")
    await stage.settle()
    pair.caller.fail("cut")
    got = []
    with pytest.raises(RunestoneError, match="cut"):
        async for answer in call.answers():
            got.append(answer)
    assert got == [b"1", b"2"]
    await pair.callee.close()


async def test_calls_that_were_not_sent_are_sent_on_the_next_session(stage):
    """The callee stopped reading, so that only some calls left; then its connection broke, and another one took its place.
    What was sent fails and may have begun; what was not is answered, within the deadline that it had from the start."""
    address, elsewhere = stage.address("socket"), f"unix:{stage.directory}/n.sock"
    time_left: dict[bytes, float] = {}
    connections: list[asyncio.StreamWriter] = []

    async def note_time(request, context):
        time_left[request[:1]] = context.time_remaining()
        return request[:1]

    def greet_and_hang(reader, writer):
        reader._transport.pause_reading()
        writer.write(bytes(4))  # the greeting: a batch of no bytes
        connections.append(writer)

    fake = await asyncio.start_unix_server(greet_and_hang, str(mux_path(address)))
    async with stage.serving(elsewhere, unary=note_time), stage.linked(address) as link:
        assert await link.is_connected_within(PATIENCE)
        calls = [
            asyncio.ensure_future(link.call(stage.UNARY, bytes([number]) + LARGE, PATIENCE, ())) for number in range(8)
        ]
        await stage.wait_until(lambda: link._life.session._outbox.size)
        began = asyncio.get_running_loop().time()
        unsent = asyncio.ensure_future(link.call(stage.UNARY, b"x", PATIENCE, ()))
        await asyncio.sleep(0.1)  # time must pass: the second try has that much less
        mux_path(elsewhere).replace(mux_path(address))
        elapsed = asyncio.get_running_loop().time() - began
        fake.close()
        connections[0].transport.abort()
        assert await asyncio.wait_for(unsent, PATIENCE) == b"x"
        assert time_left[b"x"] <= PATIENCE - elapsed + 0.001
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        failed = [outcome for outcome in outcomes if isinstance(outcome, RunestoneError)]
        assert failed
        assert all(error.reason is Reason.UNAVAILABLE and error.may_have_begun for error in failed)


async def test_a_call_is_sent_again_once_and_not_for_ever(stage):
    """A callee that refuses every call, unbegun."""

    class Refusing:
        asked = 0

        async def begin(self):
            self.asked += 1
            raise RunestoneError(Reason.UNAVAILABLE, "not here", may_have_begun=False)

    refusing = Refusing()

    async def refuse(*_arguments):
        return type("Call", (), {"answer": lambda _: refusing.begin(), "answers": lambda _: refused_stream()})()

    async def refused_stream():
        await refusing.begin()
        yield b""

    async with stage.linked(stage.address("socket")) as link:
        link._begin = refuse
        assert (await failure_of(link.call(stage.UNARY, b"", PATIENCE, ()))).may_have_begun is False
        assert refusing.asked == 2
        assert (await failure_of(read_all(link, stage))).may_have_begun is False
        assert refusing.asked == 4


async def test_goodbye_lets_running_calls_end_and_sends_new_ones_to_the_successor_through(stage, pipe):
    """Stopping takes as long as its calls, not as long as its grace."""
    address, gate, began = stage.address(pipe), asyncio.Event(), asyncio.Event()

    async def wait_for_gate(request, context):
        began.set()
        await gate.wait()
        return b"first"

    async def answer_second(request, context):
        return b"second"

    first = await stage.start(address, unary=wait_for_gate)
    async with stage.linked(address) as link:
        running = asyncio.ensure_future(link.call(stage.UNARY, b"", PATIENCE, ()))
        await asyncio.wait_for(began.wait(), PATIENCE)
        stopping = asyncio.ensure_future(first.stop(3600))
        await stage.wait_until(lambda: not link.is_connected)
        second = await start_again(stage, address, unary=answer_second)
        try:
            assert await link.is_connected_within(PATIENCE)
            assert await link.call(stage.UNARY, b"", PATIENCE, ()) == b"second"
            assert not running.done()
            assert not stopping.done()
            gate.set()
            assert await running == b"first"
            await asyncio.wait_for(stopping, PATIENCE)
            assert await link.call(stage.UNARY, b"", PATIENCE, ()) == b"second"
        finally:
            await second.stop(0)


async def test_a_stop_waits_for_no_session_that_is_idle_through(stage, pipe):
    """A caller leaves as soon as it is told, though there is no successor to go to."""
    server = await stage.start(address := stage.address(pipe))
    async with stage.linked(address) as link:
        assert await link.call(stage.UNARY, b"x", PATIENCE, ()) == b"x"
        await asyncio.wait_for(server.stop(3600), PATIENCE)
        assert not link.is_connected


async def test_calls_that_outlast_the_grace_are_cancelled_and_their_callers_told_through(stage, pipe):
    """At once, not at their deadline; and the handlers are left before the service closes what they use."""
    scene = stage.Scene()
    server = await stage.start(address := stage.address(pipe), unary=scene.unary)
    async with stage.linked(address) as link:
        call = asyncio.ensure_future(link.call(stage.UNARY, b"", 3600, ()))
        await asyncio.wait_for(scene.began.wait(), PATIENCE)
        await server.stop(0.05)
        assert scene.left.is_set()
        assert scene.called_back == 1
        error = await failure_of(call)
        assert (error.reason, error.may_have_begun) == (Reason.UNAVAILABLE, True)


async def test_a_leaving_callee_refuses_calls_that_crossed_its_goodbye(stage):
    """They were not begun, so the caller sends them elsewhere."""
    pair = stage.pair()
    pair.back.is_held = True
    pair.callee.say_goodbye()
    call = pair.begin("Unary")
    await stage.settle()
    pair.back.release()
    error = await failure_of(call.answer())
    assert (error.reason, error.may_have_begun) == (Reason.UNAVAILABLE, False)
    assert not pair.caller.takes_calls


async def test_no_call_fails_while_sessions_grow_old_under_load_through(stage, pipe):
    """Twenty turns, unary calls and streams all the while; each session takes calls until its successor does."""
    address, lives, is_done = stage.address(pipe), set(), asyncio.Event()
    answered = 0

    async def keep_calling(link, number):
        nonlocal answered
        while not is_done.is_set():
            request = bytes([number]) * (100_000 if number == 0 else 100)
            assert await link.call(stage.UNARY, request, PATIENCE, ()) == request
            assert await read_all(link, stage) == [b"0", b"1", b"2"]
            assert link.is_connected
            answered += 1

    async with stage.serving(address) as server, stage.linked(address, age=0.03) as link:
        assert await link.is_connected_within(PATIENCE)
        load = [asyncio.ensure_future(keep_calling(link, number)) for number in range(8)]
        async with asyncio.timeout(4 * PATIENCE):
            while len(lives) < 20:
                lives.add(link._life.session)
                await asyncio.sleep(0.005)
        is_done.set()
        await asyncio.gather(*load)
        assert answered >= len(load)
        await stage.wait_until(lambda: len(server._mux._sessions) <= 2)
        await stage.wait_until(lambda: not server.limiter.running)


async def test_a_session_that_grows_old_lives_on_for_the_call_that_still_runs(stage):
    scene, address = stage.Scene(), stage.address("socket")
    async with stage.serving(address, unary=scene.unary) as server, stage.linked(address, age=0.03) as link:
        call = asyncio.ensure_future(link.call(stage.UNARY, b"", PATIENCE, ()))
        await asyncio.wait_for(scene.began.wait(), PATIENCE)
        first = link._life.session
        await stage.wait_until(lambda: link._life.session is not first)
        assert first.running == 1
        assert not first.takes_calls
        assert not call.done()
        call.cancel()
        await asyncio.wait_for(scene.left.wait(), PATIENCE)
        await stage.wait_until(lambda: not server.limiter.running)


async def test_while_no_successor_is_to_be_had_an_old_session_goes_on(stage):
    """It is old, not broken."""
    address = stage.address("socket")
    async with stage.serving(address), stage.linked(address, age=0.01) as link:
        assert await link.is_connected_within(PATIENCE)
        mux_path(address).rename(f"{stage.directory}/hidden")
        mux_path(address).touch()  # there, and nobody listens
        session = link._life.session
        tries = count_tries(link)
        await stage.wait_until(lambda: len(tries) > 3)
        assert await link.call(stage.UNARY, b"x", PATIENCE, ()) == b"x"
        assert link._life.session is session


def count_tries(link) -> list[None]:
    """Grows with each try of the link to open a session."""
    tries, open_one = [], link._open

    async def counted():
        tries.append(None)
        return await open_one()

    link._open = counted
    return tries


async def test_a_callee_that_restarts_is_found_by_the_next_call_through(stage, pipe):
    address = stage.address(pipe)
    async with stage.linked(address) as link:
        for turn in range(3):
            server = await start_again(stage, address)
            assert await link.is_connected_within(PATIENCE)
            assert await link.call(stage.UNARY, b"%d" % turn, PATIENCE, ()) == b"%d" % turn
            await server.stop(0)
            await stage.wait_until(lambda: not link.is_connected)


async def test_a_callee_beside_a_socket_is_found_within_the_patience_of_a_call(stage):
    """Its process was away for long, so that the pauses between tries are at their longest: a call made when it is back is
    answered, without anybody having asked for a connection."""
    address = stage.address("socket")
    async with stage.linked(address) as link:
        await failure_of(link.call(stage.UNARY, b"", PATIENCE, ()))
        async with stage.serving(address):
            assert await link.call(stage.UNARY, b"x", PATIENCE, ()) == b"x"


async def test_where_the_socket_appears_later_the_first_session_goes_over_grpc(stage):
    address = stage.address("socket")
    async with stage.serving(address) as server:
        hidden = mux_path(address).rename(f"{stage.directory}/hidden")
        async with stage.linked(address, age=0.05) as link:
            assert await link.call(stage.UNARY, b"x", PATIENCE, ()) == b"x"
            assert pipes_of(server) == [GrpcPipe]
            hidden.rename(mux_path(address))
            await stage.wait_until(lambda: pipes_of(server) == [SocketPipe])
            assert await link.call(stage.UNARY, b"x", PATIENCE, ()) == b"x"


async def test_an_address_without_a_unix_socket_is_reached_over_grpc(stage):
    async with stage.serving(address := stage.address("grpc")) as server, stage.linked(address) as link:
        assert await link.call(stage.UNARY, b"x", PATIENCE, ()) == b"x"
        assert pipes_of(server) == [GrpcPipe]


@pytest.mark.parametrize("timeout", [0, 0.001, PATIENCE])
async def test_where_nobody_listens_a_call_fails_and_was_not_begun(stage, pipe, timeout):
    async with stage.linked(stage.address(pipe)) as link:
        error = await failure_of(link.call(stage.UNARY, b"", timeout, ()))
        assert (error.reason, error.may_have_begun) == (Reason.UNAVAILABLE, False)
        error = await failure_of(read_all(link, stage))
        assert (error.reason, error.may_have_begun) == (Reason.UNAVAILABLE, False)
        assert not await link.is_connected_within(0)


async def test_a_call_without_time_is_not_begun(stage):
    async with stage.serving(address := stage.address("socket")), stage.linked(address) as link:
        assert await link.is_connected_within(PATIENCE)
        error = await failure_of(link.call(stage.UNARY, b"", 0, ()))
        assert (error.reason, error.may_have_begun) == (Reason.DEADLINE_EXCEEDED, False)


async def test_closing_a_link_fails_its_running_calls_at_once_through(stage, pipe):
    """Those of the present session and of one that is only waiting for its last call; closing again is harmless."""
    scene, address = stage.Scene(), stage.address(pipe)
    async with stage.serving(address, unary=scene.unary) as server, stage.linked(address, age=0.03) as link:
        old = asyncio.ensure_future(link.call(stage.UNARY, b"", 3600, ()))
        await asyncio.wait_for(scene.began.wait(), PATIENCE)
        first = link._life.session
        await stage.wait_until(lambda: link._life.session is not first)
        scene.began.clear()
        new = asyncio.ensure_future(link.call(stage.UNARY, b"", 3600, ()))
        await asyncio.wait_for(scene.began.wait(), PATIENCE)
        await link.close()
        for call in (old, new):
            assert (await failure_of(call)).reason is Reason.UNAVAILABLE
        await link.close()
        await stage.wait_until(lambda: not server.limiter.running)


@pytest.mark.parametrize("turns", [0, 1, 2, 3, 5, 8, 13, 50])
async def test_a_link_may_be_closed_while_it_connects(stage, pipe, turns):
    """Wherever it stands; nothing is left of it."""
    async with stage.serving(address := stage.address(pipe)) as server:
        async with stage.linked(address):
            for _ in range(turns):
                await asyncio.sleep(0)
        await stage.wait_until(lambda: not server._mux._sessions)


async def test_a_callee_that_accepts_and_says_nothing_is_given_up_through(stage, pipe, monkeypatch):
    """A connection that the kernel took is not yet a session: the process may hang, or be dying."""
    monkeypatch.setattr("chassis.mux.opening.CONNECT_TIMEOUT", 0.05)
    tries, over = 0, []

    async def accept(reader, writer):
        nonlocal tries
        tries += 1
        with suppress(ConnectionError):
            await reader.read()
        writer.close()
        over.append(writer)

    address = stage.address(pipe)
    if pipe == "socket":
        mute = await asyncio.start_unix_server(accept, str(mux_path(address)))
    else:
        mute = await asyncio.start_server(accept, "127.0.0.1", int(address.rpartition(":")[2]))
    async with stage.linked(address) as link:
        error = await failure_of(link.call(stage.UNARY, b"", PATIENCE, ()))
        assert (error.reason, error.may_have_begun) == (Reason.UNAVAILABLE, False)
        assert tries
    mute.close()
    await stage.wait_until(lambda: tries == len(over))
