"""The load counts what came, notices what is wrong with it, and ends."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bench.calibration import answer
from bench.cases import BURST, CACHED, PACED, UNARY, Case, shorten, write_request
from bench.client import STALL, Client, Tally, find_fault
from bench.direct import Direct
from bench.load import closed_loop, open_loop
from bench.targets import Manner, Place
from bench.upstream import ANSWER, STREAM, WORDS, Upstream
from bench.upstream import BURST as BURST_ANSWER
from bench.upstream import UNARY as UNARY_BODY

MANNER = Manner(cached={"cache": {"use-cache": True}})


class Wire:
    """The transport of a client that is connected to nothing."""

    def __init__(self) -> None:
        self.is_aborted = False

    def write(self, data: bytes) -> None:
        """Goes nowhere."""

    def abort(self) -> None:
        self.is_aborted = True


@asynccontextmanager
async def listening(made: list[Upstream]) -> AsyncIterator[int]:
    """An upstream whose connections are in `made`; left when the last of them is closed."""

    def make() -> Upstream:
        made.append(Upstream())
        return made[-1]

    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
    while not all(one._transport.is_closing() for one in made):
        await asyncio.sleep(0)
    await asyncio.sleep(0)


async def hear(parts: list[bytes], *, is_stream: bool = False) -> tuple[Tally, Wire]:
    """What a client makes of an answer that comes in these parts."""
    tally, wire = Tally(), Wire()
    one = Client(tally)
    one.connection_made(wire)  # type: ignore[arg-type]
    asking = asyncio.create_task(one.ask(b"?", is_stream=is_stream))
    await asyncio.sleep(0)
    for part in parts:
        one.data_received(part)
    if not asking.done() and not parts:
        one.connection_lost(None)
    await asking
    return tally, wire


def body_of(request: bytes) -> dict[str, Any]:
    head, _, body = request.partition(b"\r\n\r\n")
    assert f"content-length: {len(body)}" in head.decode()
    return json.loads(body)


@pytest.mark.parametrize("case", [UNARY, BURST, PACED])
def test_no_question_is_asked_twice(case):
    """Not in the warm-up, in another round or of another gateway: a cache would answer it."""
    questions = {json.dumps(body_of(case.questions(MANNER)())) for _ in range(20)}
    ask = case.questions(MANNER)
    questions |= {json.dumps(body_of(ask())) for _ in range(20)}
    assert len(questions) == 40


def test_the_cached_question_is_always_the_same_and_asks_as_the_gateway_wants_it():
    ask = CACHED.questions(MANNER)
    assert ask() == ask()
    assert body_of(ask())["cache"] == {"use-cache": True}
    assert "cache" not in body_of(UNARY.questions(MANNER)())


def test_a_question_is_a_request_of_about_700_bytes():
    request = write_request(MANNER, BURST, 7)
    assert 600 < len(json.dumps(body_of(request))) < 800
    assert body_of(request)["stream"] is True


def test_the_upstream_is_asked_briefly_except_for_what_takes_its_time():
    assert shorten(UNARY).seconds == 1.0
    assert shorten(PACED) == PACED


@pytest.mark.parametrize(
    ("status", "body", "is_stream"),
    [
        (500, UNARY_BODY, False),
        (200, UNARY_BODY[:-1], False),
        (200, b"{}", False),
        (200, b"".join(STREAM).replace(b"data: [DONE]", b""), True),
        (200, b"".join([*STREAM[:7], *STREAM[8:]]), True),
        (200, b"".join([STREAM[0], *STREAM]), True),
    ],
)
def test_an_answer_that_is_not_whole_is_a_failure(status, body, is_stream):
    """Of a stream: every word, once, and the end."""
    assert find_fault(status, body, is_stream=is_stream)


def test_a_whole_answer_is_none():
    assert find_fault(200, UNARY_BODY, is_stream=False) == ""
    assert find_fault(200, b"".join(STREAM), is_stream=True) == ""


@pytest.mark.parametrize("size", [1, 2, 3, 5, 64, 1000, 10**6])
async def test_events_are_counted_however_they_are_cut(size):
    """A word in two parts is one, and none is counted twice."""
    parts = [BURST_ANSWER[start : start + size] for start in range(0, len(BURST_ANSWER), size)]
    tally, _ = await hear(parts, is_stream=True)
    assert (tally.answers, tally.events, tally.failures) == (1, WORDS, {})
    assert len(tally.first_parts) == 1


async def test_a_gap_is_a_stall_only_between_parts_and_only_when_it_is_long(monkeypatch):
    """Waiting for the first chunk is not: that is told apart."""
    now = 0.0
    monkeypatch.setattr("bench.client.time.perf_counter", lambda: now)
    parts = [BURST_ANSWER[:400], BURST_ANSWER[400:900], BURST_ANSWER[900:]]
    for gaps, expected in [((9 * STALL, STALL * 0.9, STALL * 0.9), 0), ((0.1, STALL * 1.1, 0.1), 1)]:
        tally = Tally()
        one = Client(tally)
        one.connection_made(Wire())  # type: ignore[arg-type]
        now = 100.0
        asking = asyncio.create_task(one.ask(b"?", is_stream=True))
        await asyncio.sleep(0)
        for gap, part in zip(gaps, parts, strict=True):
            now += gap
            one.data_received(part)
        await asking
        assert tally.stalled == expected
        assert tally.first_parts == [pytest.approx(gaps[0])]


async def test_a_connection_that_breaks_is_a_failure():
    tally, _ = await hear([])
    assert tally.answers == 0
    assert tally.failures == {"connection lost: closed": 1}


async def test_what_is_not_http_is_a_failure():
    tally, wire = await hear([b"\x00\x01 nonsense\r\n\r\n"])
    assert [why.startswith("not HTTP") for why in tally.failures] == [True]
    assert wire.is_aborted


@pytest.mark.parametrize("case", [UNARY, BURST])
async def test_a_connection_is_used_again(case: Case):
    """Else a gateway would be measured at accepting connections."""
    made: list[Upstream] = []
    async with listening(made) as port:
        ask = case.questions(Direct().manner(port))
        async with closed_loop(port, ask, connections=3, is_stream=case.is_stream) as tally:
            while tally.answers < 30:
                await asyncio.sleep(0)
    assert len(made) == 3
    assert tally.failures == {}


async def test_a_connection_that_the_server_ends_is_not_used_again():
    _, wire = await hear([ANSWER.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n", 1)])
    assert wire.is_aborted


async def test_an_answer_that_never_comes_is_a_failure(monkeypatch):
    monkeypatch.setattr("bench.client.PATIENCE", 0.0)
    tally = Tally()
    one = Client(tally)
    one.connection_made(Wire())  # type: ignore[arg-type]
    await one.ask(b"?")
    assert tally.failures == {"took too long": 1}


def test_taking_the_tally_begins_it_anew():
    """So that the warm-up is not counted."""
    tally = Tally(answers=3, latencies=[0.1])
    tally.fail("x")
    taken = tally.take()
    assert (taken.answers, taken.latencies, taken.failures) == (3, [0.1], {"x": 1})
    assert tally == Tally()


@pytest.mark.parametrize("case", [UNARY, BURST])
async def test_a_closed_loop_asks_until_it_is_left_and_loses_nothing(case: Case):
    """What the upstream was asked, the load has the answers to."""
    before = Upstream.asked
    async with listening([]) as port:
        ask = case.questions(Direct().manner(port))
        async with closed_loop(port, ask, connections=4, is_stream=case.is_stream) as tally:
            while tally.answers < 20:
                await asyncio.sleep(0)
    assert tally.failures == {}
    assert tally.answers == Upstream.asked - before
    assert tally.events == (tally.answers * WORDS if case.is_stream else tally.answers * 75)


async def test_an_open_loop_asks_at_its_rate_whether_or_not_it_was_answered():
    async with listening([]) as port:
        tally = await open_loop(port, UNARY.questions(Direct().manner(port)), rate=1000, seconds=0.05)
    assert (tally.answers, tally.failures) == (50, {})


async def test_nobody_listening_is_a_failure_and_not_the_end():
    async with listening([]) as port:
        pass
    tally = await open_loop(port, UNARY.questions(MANNER), rate=1000, seconds=0.002)
    assert tally.answers == 0
    assert sum(tally.failures.values()) == 2


async def test_the_yardstick_answers_what_the_load_asks():
    answering: list[asyncio.Task[None]] = []

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answering.append(asyncio.create_task(answer(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        tally = await open_loop(port, UNARY.questions(MANNER), rate=1000, seconds=0.01)
    await asyncio.gather(*answering)
    await asyncio.sleep(0)
    assert (tally.answers, tally.failures) == (10, {})


def test_a_command_is_shown_without_this_machine_and_this_run(tmp_path):
    place = Place(port=50123, upstream=1, directory=tmp_path)
    shown = Direct().prepare(place).show(place)
    assert shown.split()[1:] == ["upstream.py", "PORT"]
    assert "/" not in shown
