"""The client's side of a session."""

import asyncio
import json

import pytest

from chassis.errors import Reason, RunestoneError
from gateway_edge.realtime import line as line_module
from gateway_edge.realtime.line import LARGEST_BATCH, MOST_WAITING, OVERHEAD, Line


class FakeSocket:
    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.closed: list[tuple[int, str]] = []
        self.is_reading = True

    def send(self, text: bytes) -> None:
        self.sent.append(text)

    def send_binary(self, data: bytes) -> None:
        self.sent.append(data)

    async def drain(self) -> None:
        await asyncio.sleep(0)

    def pause_reading(self) -> None:
        self.is_reading = False

    def resume_reading(self) -> None:
        self.is_reading = True

    def close(self, code: int, reason: str = "") -> None:
        self.closed.append((code, reason))


@pytest.fixture
def socket() -> FakeSocket:
    return FakeSocket()


@pytest.fixture
def line(socket: FakeSocket) -> Line:
    return Line(socket)


async def test_what_waits_is_bounded_and_the_client_read_on_when_it_is_taken(line: Line, socket: FakeSocket) -> None:
    block = "x" * (MOST_WAITING // 4 - OVERHEAD)
    for _ in range(4):
        line.hear(block)
    assert socket.is_reading
    line.hear(block)
    assert not socket.is_reading
    sizes = []
    for _ in range(2):
        sizes.append(sum(len(message.body) for message in await line.take()))
    assert sum(sizes) == 5 * len(block)
    assert max(sizes) < LARGEST_BATCH + len(block)
    assert socket.is_reading


async def test_empty_messages_are_bounded_too(line: Line, socket: FakeSocket) -> None:
    heard = 0
    while socket.is_reading:
        line.hear("")
        heard += 1
        assert heard <= MOST_WAITING
    assert len(await line.take()) <= heard


async def test_what_was_said_before_the_end_is_taken_first(line: Line) -> None:
    line.hear("a")
    line.hear(b"b")
    line.hang_up(1000, "")
    assert [(message.body, message.binary) for message in await line.take()] == [(b"a", False), (b"b", True)]
    assert await line.take() == []


async def test_who_takes_waits_for_the_next_word(line: Line) -> None:
    taking = asyncio.create_task(line.take())
    await asyncio.sleep(0)
    assert not taking.done()
    line.hear("a")
    async with asyncio.timeout(5):
        assert [message.body for message in await taking] == [b"a"]


async def test_an_error_is_an_event_of_the_api_and_said_once(line: Line, socket: FakeSocket) -> None:
    await line.fail(RunestoneError(Reason.MODEL_NOT_FOUND, "no such model", param="model"))
    await line.fail(RunestoneError(Reason.INTERNAL, "again"))
    (event,) = map(json.loads, socket.sent)
    assert (event["type"], event["error"]["message"], event["error"]["param"]) == ("error", "no such model", "model")
    assert socket.closed == [(1008, "no such model")]


async def test_the_providers_own_end_stands_for_the_error(line: Line, socket: FakeSocket) -> None:
    line.pass_on_end(4001, "expired")
    await line.fail(RunestoneError(Reason.PROVIDER_FAILED, "x"))
    assert (socket.sent, socket.closed) == ([], [(4001, "expired")])
    assert not line.is_whole


async def test_a_client_whose_words_nobody_takes_is_given_up(
    line: Line, socket: FakeSocket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While nothing is read from it, nobody would notice that it is gone."""
    monkeypatch.setattr(line_module, "LONGEST_WAIT", 0.01)
    line.hear(b"x" * (MOST_WAITING + 1))
    async with asyncio.timeout(5):
        while not socket.closed:
            await asyncio.sleep(0.01)
    assert socket.closed[0][0] == 1013
