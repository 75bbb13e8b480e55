"""Exchanges over sockets: reuse, repetition, back-pressure, cancelling, and answers that are never mixed up."""

import asyncio

import pytest

from chassis.errors import Reason, RunestoneError
from provider_svc.http1.connection import READ_AHEAD
from provider_svc.http1.limits import Limits

HEAD = b"HTTP/1.1 200 OK\r\n"
LARGE = b"x" * (8 << 20)  # more than a socket pair holds


def answer(body: bytes) -> bytes:
    return HEAD + b"content-length: %d\r\n\r\n%b" % (len(body), body)


async def echo(visit) -> None:
    """Answers each request with its body, in two pieces."""
    while True:
        _, body = await visit.request()
        whole = answer(body)
        await visit.say(whole[:20], whole[20:])


async def reason_of(asking) -> Reason:
    with pytest.raises(RunestoneError) as caught:
        await asking
    return caught.value.reason


async def test_exchanges_in_a_row_need_one_connection_and_get_their_own_answers(rig):
    async with rig(echo) as it:
        for number in range(5):
            assert await it.ask(b"question %d" % number) == (200, b"question %d" % number)
        assert [len(visit.requests) for visit in it.visits] == [5]


async def test_exchanges_at_a_time_have_connections_of_their_own(rig):
    async with rig(echo) as it:
        bodies = [b"question %d" % number for number in range(40)]
        answers = await asyncio.gather(*(it.ask(body) for body in bodies))
        assert [body for _, body in answers] == bodies
        assert len(it.visits) == it.upstream.statistics()["open"] == 40


async def test_more_calls_than_connections_take_turns(rig):
    async with rig(echo, limits=Limits(connections=2)) as it:
        bodies = [b"question %d" % number for number in range(20)]
        assert [body for _, body in await asyncio.gather(*(it.ask(body) for body in bodies))] == bodies
        assert len(it.visits) == 2


async def test_too_many_calls_are_overload_and_too_long_a_wait_is_a_timeout(rig):
    async def hold(visit):
        await visit.request()

    async with rig(hold, limits=Limits(connections=1, waiting=1), connect=0.05) as it:
        holding = asyncio.create_task(it.ask())
        await it.until_played()
        waiting = asyncio.create_task(it.ask())
        await it.until_played()
        assert await reason_of(it.ask()) is Reason.OVERLOADED
        with pytest.raises(RunestoneError, match=r"none of its 1 connections free within 0.05 s \(connect timeout\)"):
            await waiting
        holding.cancel()


@pytest.mark.parametrize("size", [5, 2 * READ_AHEAD])
async def test_an_answer_that_nobody_read_costs_its_connection(rig, size):
    """Also where all of it is here already."""

    async def talk(visit):
        await visit.request()
        await visit.say(answer(b"x" * size))

    async with rig(talk) as it:
        async with it.upstream.post("/chat", b"{}", {}):
            await it.until_played()
        assert it.upstream.statistics()["open"] == 0


async def test_an_answer_without_a_body_keeps_its_connection(rig):
    async def talk(visit):
        while True:
            await visit.request()
            await visit.say(b"HTTP/1.1 204 No Content\r\n\r\n")

    async with rig(talk) as it:
        assert [await it.ask() for _ in range(2)] == [(204, b"")] * 2
        assert len(it.visits) == 1


async def test_an_answer_until_the_end_of_the_connection_is_whole(rig):
    async def talk(visit):
        await visit.request()
        await visit.say(HEAD + b"\r\nhel", b"lo")
        visit.close()

    async with rig(talk) as it:
        assert await it.ask() == (200, b"hello")
        assert it.upstream.statistics()["open"] == 0


async def test_interim_answers_pass_unseen(rig):
    async def talk(visit):
        await visit.request()
        await visit.say(
            b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early\r\nlink: x\r\n", b"\r\n" + answer(b"hello")
        )

    async with rig(talk) as it:
        assert await it.ask() == (200, b"hello")


async def test_a_stale_connection_is_left_alone(rig):
    """Closed while it was idle: the next call finds out before it sends anything."""

    async def talk(visit):
        await visit.request()
        if visit.number == 1:
            await visit.say(answer(b"one"))
            visit.close()
        else:
            await visit.say(answer(b"two"))

    async with rig(talk) as it:
        assert await it.ask() == (200, b"one")
        await it.until_played()
        assert await it.ask() == (200, b"two")
        assert [len(visit.requests) for visit in it.visits] == [1, 1]


async def test_a_request_that_never_left_is_sent_again_once(rig):
    """The kept connection breaks while most of the request is still here: the server cannot have acted on it."""

    async def talk(visit):
        _, body = await visit.request()
        await visit.say(answer(b"%d bytes" % len(body)))
        if visit.number == 1:
            await asyncio.sleep(0.01)  # the large one is under way
            visit.close()
        else:
            await echo(visit)

    async with rig(talk) as it:
        assert await it.ask(b"small") == (200, b"5 bytes")
        assert await it.ask(LARGE) == (200, b"%d bytes" % len(LARGE))
        assert len(it.visits) == 2


async def test_the_second_time_goes_over_a_new_connection(rig):
    """Where one kept connection was stale the others are likely to be, and there is no third time."""

    async def talk(visit):
        _, body = await visit.request()
        await visit.say(answer(b"%d bytes" % len(body)))
        if visit.number <= 2:
            await visit._receive()
            visit.close()

    async with rig(talk) as it:
        await asyncio.gather(it.ask(), it.ask())
        assert await it.ask(LARGE) == (200, b"%d bytes" % len(LARGE))
        assert len(it.visits) == 3


async def test_it_is_sent_again_only_once(rig):
    async def talk(visit):
        await visit.request()
        await visit.say(answer(b"small"))
        await asyncio.sleep(0.01)
        visit.close()

    async def talk_once(visit):
        if visit.number == 1:
            await talk(visit)
        else:
            visit.close()

    async with rig(talk_once) as it:
        await it.ask(b"small")
        assert await reason_of(it.ask(LARGE)) is Reason.PROVIDER_UNREACHABLE
        assert len(it.visits) <= 3


async def test_a_request_that_may_have_been_acted_on_is_never_sent_again(rig):
    """A whole request went out on a kept connection and nothing came back: nobody knows, so the caller is told."""

    async def talk(visit):
        await visit.request()
        await visit.say(answer(b"one"))
        await visit.request()
        visit.close()

    async with rig(talk) as it:
        assert await it.ask() == (200, b"one")
        assert await reason_of(it.ask()) is Reason.PROVIDER_UNREACHABLE
        assert [len(visit.requests) for visit in it.visits] == [2]


async def test_an_answer_that_has_begun_is_never_asked_for_again(rig):
    async def talk(visit):
        await visit.request()
        await visit.say(answer(b"one"))
        await visit._receive()
        await visit.say(b"HTTP/1.1 2")
        visit.close()

    async with rig(talk) as it:
        assert await it.ask() == (200, b"one")
        assert await reason_of(it.ask(LARGE)) is Reason.PROVIDER_UNREACHABLE
        assert len(it.visits) == 1


async def test_an_answer_before_the_request_is_out_counts_and_its_connection_does_not_stay(rig):
    """As a server does that refuses a body by its length."""

    async def talk(visit):
        await visit._receive()
        await visit.say(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno")

    async with rig(talk) as it:
        assert await it.ask(LARGE) == (413, b"no")
        assert it.upstream.statistics()["open"] == 0


async def test_bytes_that_nobody_asked_for_never_become_an_answer(rig):
    """A whole second answer behind the first: whoever asks next gets their own, on another connection."""

    async def talk(visit):
        _, body = await visit.request()
        await visit.say(answer(body) + answer(b"smuggled"))

    async with rig(talk) as it:
        assert await it.ask(b"one") == (200, b"one")
        assert await it.ask(b"two") == (200, b"two")
        assert len(it.visits) == 2


async def test_bytes_on_an_idle_connection_close_it(rig):
    async def talk(visit):
        _, body = await visit.request()
        await visit.say(answer(body))
        await asyncio.sleep(0)
        await visit.say(answer(b"smuggled"))

    async with rig(talk) as it:
        assert await it.ask(b"one") == (200, b"one")
        await it.until_played()
        assert await it.ask(b"two") == (200, b"two")
        assert len(it.visits) == 2


async def test_a_reader_that_does_not_ask_holds_the_sender_up(rig):
    """Back-pressure: what is read ahead is bounded, and everything arrives once it is asked for."""
    sent = 0

    async def talk(visit):
        nonlocal sent
        await visit.request()
        await visit.say(HEAD + b"content-length: %d\r\n\r\n" % len(LARGE))
        for start in range(0, len(LARGE), 1 << 16):
            await visit.say(LARGE[start : start + (1 << 16)])
            sent = start

    async with rig(talk) as it, it.upstream.post("/chat", b"{}", {}) as given:
        await asyncio.sleep(0.05)
        before = sent
        await asyncio.sleep(0.05)
        assert sent == before < len(LARGE) // 2
        assert given._reply.size < READ_AHEAD + (1 << 18)
        assert await given.read(1 << 24) == LARGE


@pytest.mark.parametrize("when", ["sending", "waiting", "reading"])
async def test_cancelling_closes_the_socket_at_once(rig, when):
    begun = asyncio.Event()

    async def talk(visit):
        if when == "sending":
            await visit._receive()
        else:
            await visit.request()
        if when == "reading":
            await visit.say(HEAD + b"content-length: 9\r\n\r\nhalf")
        begun.set()

    async with rig(talk) as it:
        asking = asyncio.create_task(it.ask(LARGE if when == "sending" else b"{}"))
        await begun.wait()
        await it.until_played()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert (it.upstream.count_now()["open"], it.upstream.running) == (0, 0)
        await it.visits[0].wait_closed()


async def test_closing_the_upstream_ends_calls_that_are_waiting(rig):
    async def talk(visit):
        await visit.request()
        if visit.number == 2:
            await visit.say(HEAD + b"content-length: 9\r\n\r\nhalf")

    async with rig(talk) as it:
        asking = [asyncio.create_task(reason_of(it.ask())) for _ in range(2)]
        await it.until_played()
        await it.upstream.close()
        assert await asyncio.gather(*asking) == [Reason.PROVIDER_UNREACHABLE, Reason.PROVIDER_STREAM_CUT]


async def test_events_that_come_while_nobody_looks_travel_together(rig):
    async def talk(visit):
        await visit.request()
        await visit.say(HEAD + b"transfer-encoding: chunked\r\n\r\n", *[b"3\r\nab\n\r\n"] * 50, b"0\r\n\r\n")

    async with rig(talk) as it, it.upstream.post("/chat", b"{}", {}) as given:
        await asyncio.sleep(0.05)
        assert [block async for block in given.blocks()] == [b"ab\n" * 50]


async def test_a_key_that_http_cannot_carry_is_said_without_the_key(rig):
    async with rig(echo) as it:
        with pytest.raises(RunestoneError, match="'authorization' holds a character") as caught:
            async with it.upstream.post("/chat", b"{}", {"authorization": "Bearer canary\n"}):
                raise AssertionError
        assert caught.value.reason is Reason.PROVIDER_UNREACHABLE
        assert "canary" not in str(caught.value)
        assert it.visits == []
