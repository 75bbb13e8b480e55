"""How WebSockets end that nobody wants to end: the process stops, a key is revoked, what is spoken on them crashes."""

import asyncio
import gc
from contextlib import AsyncExitStack
from typing import Any

import pytest
from raw_websocket import CLOSE, TEXT, Frame, RawClient, close_payload, connected, frame, handshake
from socket_stage import KEY, PATH, TENANTS, Echo, Stage, until

from chassis.config import parse_settings
from chassis.errors import Reason, RunestoneError
from gateway_edge.call import Outcome
from gateway_edge.messages.calls import MakeReply
from gateway_edge.messages.message import Message
from gateway_edge.responses_socket.application import ResponsesSocket
from gateway_edge.websocket.application import Application, Socket

WITHOUT_ACME = {"tenants": TENANTS[1:]}


async def finish(client: RawClient) -> Frame | None:
    """Answers the server's close frame, as a peer should."""
    received = await client.receive()
    assert received is not None
    client.send(frame(CLOSE, received.payload))
    assert await client.receive() is None
    return received


async def test_all_are_told_and_closed_with_1012_while_the_grace_lasts() -> None:
    stage = Stage({})
    async with stage.listening() as port, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(connected(port)) for _ in range(25)]
        await until(lambda: len(stage.opened) == 25)
        draining = asyncio.create_task(stage.sockets.drain(1.0))
        ends = await asyncio.gather(*(finish(client) for client in clients))
        await draining
        assert set(ends) == {Frame(CLOSE, close_payload(1012, b"the gateway restarts"))}
        assert all(echo.is_draining for echo in stage.opened)
        assert {echo.end for echo in stage.opened} == {(1012, "the gateway restarts")}


async def test_they_are_closed_one_after_another() -> None:
    """Who comes back finds somebody who is not busy with all the others."""
    stage = Stage({})
    async with stage.listening() as port, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(connected(port)) for _ in range(20)]
        await until(lambda: len(stage.opened) == 20)
        draining = asyncio.create_task(stage.sockets.drain(2.0))
        await until(lambda: any(not echo.socket.is_open for echo in stage.opened))
        assert sum(not echo.socket.is_open for echo in stage.opened) == 2
        await asyncio.gather(*(finish(client) for client in clients), draining)


async def test_what_is_busy_has_the_grace_and_is_closed_with_1001_behind_it() -> None:
    stage = Stage({})
    async with stage.listening() as port, connected(port) as idle, connected(port) as busy:
        await until(lambda: len(stage.opened) == 2)
        stage.opened[1].is_busy = True
        draining = asyncio.create_task(stage.sockets.drain(0.5))
        assert (await finish(idle)) == Frame(CLOSE, close_payload(1012, b"the gateway restarts"))
        busy.send(frame(TEXT, b"still served"))
        assert await busy.receive() == Frame(TEXT, b"still served")
        await draining
        ending = asyncio.create_task(stage.sockets.end())
        assert (await finish(busy)) == Frame(CLOSE, close_payload(1001, b"the gateway stops"))
        await ending


async def test_what_becomes_busy_before_its_turn_is_not_closed_under_what_began() -> None:
    """The others are closed one after another meanwhile."""
    stage = Stage({})
    async with stage.listening() as port, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(connected(port)) for _ in range(20)]
        await until(lambda: len(stage.opened) == 20)
        draining = asyncio.create_task(stage.sockets.drain(2.0))
        await until(lambda: any(not echo.socket.is_open for echo in stage.opened))
        (late, *_) = [echo for echo in stage.opened if echo.socket.is_open]
        late.is_busy = True
        await until(lambda: sum(echo.socket.is_open for echo in stage.opened) == 1)
        assert late.socket.is_open
        late.socket.close(1012, "done")
        await asyncio.gather(*(finish(client) for client in clients), draining)


async def test_a_drain_does_not_wait_for_what_has_ended() -> None:
    stage = Stage({})
    async with stage.listening() as port, connected(port) as busy:
        await until(lambda: stage.opened)
        stage.opened[0].is_busy = True
        draining = asyncio.create_task(stage.sockets.drain(60.0))
        await until(lambda: stage.opened[0].is_draining)
        stage.opened[0].socket.close(1012, "done")
        await finish(busy)
        async with asyncio.timeout(5):
            await draining


async def test_a_process_that_stops_opens_no_more() -> None:
    stage = Stage({})
    async with stage.listening() as port:
        await stage.sockets.drain(0.0)
        async with connected(port) as client:
            assert client.answer.startswith(b"HTTP/1.1 503 ")


@pytest.mark.parametrize("is_at_once", [True, False])
async def test_a_revoked_key_closes_its_sockets_with_1008(*, is_at_once: bool) -> None:
    """Now, where that is configured; else as soon as something is said on them. Others' stay."""
    stage = Stage({"tenants": [*TENANTS, {"name": "third", "keys": [{"name": "k", "secret": "third-key-0123456789"}]}]})
    async with stage.listening() as port:
        request = handshake(authorization="Bearer third-key-0123456789")
        async with connected(port) as acme, connected(port, request) as third:
            await until(lambda: len(stage.opened) == 2)
            stage.reload({"tenants": TENANTS, "edge": {"end_revoked_streams": is_at_once}})
            if not is_at_once:
                assert stage.opened[1].socket.is_open
                third.send(frame(TEXT, b"anybody?"))
            assert (await finish(third)) == Frame(CLOSE, close_payload(1008, b"the API key was revoked"))
            acme.send(frame(TEXT, b"hi"))
            assert await acme.receive() == Frame(TEXT, b"hi")
            assert [echo.received_messages for echo in stage.opened] == [["hi"], []]


async def test_a_key_in_the_query_is_revoked_as_any() -> None:
    stage = Stage({})
    async with stage.listening() as port:
        async with connected(port, handshake(f"{PATH}?api_key={KEY}", authorization=None)) as client:
            await until(lambda: stage.opened)
            stage.reload(WITHOUT_ACME | {"edge": {"end_revoked_streams": True}})
            assert (await finish(client)) == Frame(CLOSE, close_payload(1008, b"the API key was revoked"))


async def test_what_crashes_is_logged_and_closed_with_1011() -> None:
    stage = Stage({})
    async with stage.listening() as port, connected(port) as client:
        client.send(frame(TEXT, b"crash") + frame(TEXT, b"more"))
        assert (await finish(client)) == Frame(CLOSE, close_payload(1011, b"internal error"))
        await until(lambda: stage.opened[0].end)
        assert stage.opened[0].received_messages == []
        assert "socket crashed" in [event for event, _ in stage.log.lines]


async def test_a_connection_that_is_cut_is_1006() -> None:
    stage = Stage({})
    async with stage.listening() as port:
        async with connected(port):
            await until(lambda: stage.opened)
        await until(lambda: stage.opened[0].end)
        assert stage.opened[0].end == (1006, "")


async def test_who_speaks_first_speaks_behind_the_handshakes_answer() -> None:
    def greet(socket: Socket) -> Application:
        socket.send(b"welcome")
        return Echo(socket)

    async with Stage({}, greet).listening() as port, connected(port) as client:
        assert await client.receive() == Frame(TEXT, b"welcome")


async def test_what_is_spoken_may_refuse_the_handshake() -> None:
    def refuse(socket: Socket) -> Application:
        raise RunestoneError(Reason.PERMISSION_DENIED, f"not at {socket.path}, {dict(socket.parameters)}")

    stage = Stage({}, refuse)
    async with stage.listening() as port, connected(port, handshake(f"{PATH}?vsn=1")) as client:
        assert client.answer.startswith(b"HTTP/1.1 403 ")
        assert len(stage.sockets) == 0


async def test_what_is_closed_is_let_go_of_without_a_search_for_garbage() -> None:
    """What is told of garbage is that there is none in open sockets: so a closed one must not be in a cycle."""
    kinds = {"WebSocket", "Outbox", "MessageReader", "ResponsesSocket", "Lanes"}

    def count() -> int:
        return sum(type(found).__name__ in kinds for found in gc.get_objects())

    edge = parse_settings("{}").edge
    stage = Stage({}, lambda socket: ResponsesSocket(socket, Nobody(), edge))
    gc.collect()
    gc.disable()
    try:
        before = count()
        async with stage.listening() as port:
            for leave in (frame(CLOSE, close_payload(1000)), frame(3), frame(TEXT, b'{"type": "response.create"}')):
                async with connected(port) as client:
                    await until(lambda: len(stage.opened) == 1)
                    assert count() == before + len(kinds)
                    client.send(leave)
                    await client.receive()
                await until(lambda: not len(stage.sockets))
                stage.opened.clear()
                await until(lambda: count() == before)
    finally:
        gc.enable()


async def test_open_sockets_are_spared_by_the_collector_at_new_heights_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway_edge.websocket.sockets.SPARED_AT", 3)
    heights: list[int] = []
    stage = Stage({})
    monkeypatch.setattr("gateway_edge.websocket.sockets.gc.freeze", lambda: heights.append(len(stage.sockets)))
    async with stage.listening() as port:
        for count in (2, 4, 4, 7):
            async with AsyncExitStack() as stack:
                for _ in range(count):
                    await stack.enter_async_context(connected(port))
            await until(lambda: not len(stage.sockets))
    assert heights == [3, 6]


class Nobody:
    """Whoever asks is refused."""

    async def run(self, message: Message, make_reply: MakeReply) -> Outcome:
        raise RunestoneError(Reason.ROUTE_NOT_FOUND, f"{message.path} is nowhere")


async def test_a_socket_that_is_closed_takes_nothing_more() -> None:
    stage = Stage({})
    async with stage.listening() as port, connected(port) as client:
        await until(lambda: stage.opened)
        socket: Any = stage.opened[0].socket
        socket.close(4001, "é" * 100)
        socket.close(4002)
        socket.send(b"too late")
        with pytest.raises(ConnectionResetError):
            await socket.drain()
        received = await finish(client)
        assert received is not None
        assert received.payload == close_payload(4001, "é".encode() * 61)  # as many characters as fit
