"""Calls that share a connection: what each is promised, and that none is another's trouble."""

import asyncio

import pytest
from h2.errors import ErrorCodes
from http2.stage import Server, ask, echo

from chassis.errors import Reason, RunestoneError
from provider_svc.http2.dialogue import WINDOW


def post(upstream, body=b"{}"):
    return upstream.post("/chat", body, {"authorization": "Bearer k"})


async def test_a_request_arrives_as_http_2_writes_it_and_its_answer_comes_back(serving):
    async with serving(echo) as (server, upstream):
        assert await ask(upstream, b'{"a":1}') == (200, b'{"a":1}')
        fields = server.asked[0].fields
    assert fields[b":method"] == b"POST"
    assert fields[b":path"] == b"/v1/chat"
    assert fields[b":authority"].startswith(b"localhost:")
    assert fields[b"authorization"] == b"Bearer k"
    assert fields[b"content-length"] == b"7"
    assert b"host" not in fields


async def test_calls_in_a_row_and_a_hundred_at_once_take_one_connection(serving):
    together = asyncio.Event()

    async def wait_for_all(asked):
        if len(server.asked) == 101:
            together.set()
        await together.wait()
        await echo(asked)

    async with serving(echo) as (server, upstream):
        await ask(upstream)
        server.script = wait_for_all
        asking = [asyncio.create_task(ask(upstream, b"%d" % number)) for number in range(100)]
        assert await asyncio.gather(*asking) == [(200, b"%d" % number) for number in range(100)]
        assert len(server.visits) == 1
        assert (upstream.statistics()["dialed"], upstream.statistics()["reused"]) == (1, 100)


async def test_calls_that_come_while_the_first_connection_is_opened_wait_for_it(serving):
    async with serving(echo) as (server, upstream):
        await asyncio.gather(*(ask(upstream) for _ in range(20)))
        assert len(server.visits) == 1


async def test_a_large_request_goes_out_as_the_server_takes_it(serving):
    body = b"x" * (3 << 20)
    async with serving(echo) as (_, upstream):
        assert await ask(upstream, body) == (200, body)


async def test_a_stream_is_handed_on_piece_by_piece_in_the_callback_that_brings_it(serving):
    taken, heard = [], asyncio.Queue()

    async def drip(asked):
        asked.head()
        for piece in (b"a", b"b", b"c"):
            await asked.say(piece)
            await heard.get()
        asked.visit.h2.end_stream(asked.number)
        asked.visit.flush()

    def take(block):
        taken.append((block, asyncio.current_task() is None))
        heard.put_nowait(None)
        return True

    async with serving(drip) as (_, upstream), asyncio.timeout(10), post(upstream) as answer:
        assert await answer.flow(take)
    assert b"".join(block for block, _ in taken) == b"abc"
    assert all(beside for _, beside in taken[1:])


async def test_cancelling_a_call_resets_its_stream_and_lets_the_others_be(serving):
    go_on = asyncio.Event()

    async def hold(asked):
        asked.head()
        await go_on.wait()
        await asked.say(b"done", ends=True)

    async with serving(hold) as (server, upstream):
        staying, leaving = (asyncio.create_task(ask(upstream)) for _ in range(2))
        await server.until_asked(2)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        left = server.asked[1]
        async with asyncio.timeout(5):
            await left.is_reset.wait()
        assert left.reset_code == ErrorCodes.CANCEL
        go_on.set()
        assert await staying == (200, b"done")
        assert len(server.visits) == 1


async def test_a_reader_without_room_stops_its_own_answer_and_no_other(serving):
    """The provider is not read beyond the stream's window while the reader stands still, and others pass it on the same connection."""
    said = 0

    async def pour(asked):
        nonlocal said
        if len(server.asked) > 1:
            await echo(asked)
            return
        asked.head()
        for _ in range(64):
            await asked.say(b"x" * (64 << 10))
            said += 64 << 10
        await asked.say(b"!", ends=True)

    async with serving(pour) as (server, upstream), asyncio.timeout(20), post(upstream) as answer:
        for _ in range(20):
            assert await ask(upstream, b"y" * 50_000) == (200, b"y" * 50_000)
        assert said <= WINDOW
        assert len(await answer.read(1 << 23)) == (4 << 20) + 1
        assert len(server.visits) == 1


async def test_no_more_streams_are_begun_than_the_server_allows(serving):
    go_on, most = asyncio.Event(), 0

    async def hold(asked):
        nonlocal most
        most = max(most, asked.visit.h2.open_inbound_streams)
        await go_on.wait()
        await echo(asked)

    server = Server(hold, max_concurrent_streams=3)
    async with serving(server, connections={"max": 2}) as (_, upstream):
        await asyncio.wait_for(upstream.pool.acquire(asyncio.get_running_loop().time() + 5), 5)
        asking = [asyncio.create_task(ask(upstream)) for _ in range(20)]
        await server.until_asked(5)
        go_on.set()
        assert len(await asyncio.gather(*asking)) == 20
        assert most <= 3
        assert len(server.visits) == 2
        for connection in upstream.pool._open:
            for stream in list(connection._streams):
                stream.release()


async def test_a_refused_stream_is_asked_for_once_more(serving):
    async def refuse_the_first(asked):
        if len(server.asked) == 1:
            asked.reset(ErrorCodes.REFUSED_STREAM)
        else:
            await echo(asked)

    async with serving(refuse_the_first) as (server, upstream):
        assert await ask(upstream, b"again") == (200, b"again")
        assert upstream.statistics()["repeated"] == 1


@pytest.mark.parametrize("code", [ErrorCodes.INTERNAL_ERROR, ErrorCodes.CANCEL, ErrorCodes.ENHANCE_YOUR_CALM])
async def test_a_stream_that_is_reset_in_any_other_way_is_not_asked_for_again(serving, code):
    async def reset(asked):
        asked.reset(code)

    async with serving(reset) as (server, upstream):
        with pytest.raises(RunestoneError) as caught:
            await ask(upstream)
        assert len(server.asked) == 1
    assert caught.value.reason is Reason.PROVIDER_UNREACHABLE


async def test_an_answer_that_is_reset_in_its_middle_is_cut_behind_what_came(serving):
    async def break_off(asked):
        asked.head()
        await asked.say(b"half")
        asked.reset(ErrorCodes.INTERNAL_ERROR)

    taken = []
    async with serving(break_off) as (_, upstream):
        with pytest.raises(RunestoneError) as caught:
            async with post(upstream) as answer:
                async for block in answer.blocks():
                    taken.append(block)
    assert caught.value.reason is Reason.PROVIDER_STREAM_CUT
    assert b"".join(taken) == b"half"


async def test_goaway_lets_what_was_begun_finish_repeats_what_was_not_and_opens_a_successor(serving):
    go_on = asyncio.Event()

    async def hold(asked):
        if len(server.visits) == 1:
            await go_on.wait()
        await echo(asked)

    async with serving(hold) as (server, upstream):
        first = asyncio.create_task(ask(upstream, b"first"))
        await server.until_asked(1)
        second = asyncio.create_task(ask(upstream, b"second"))
        begun = await server.until_asked(2)
        begun.visit.say_goaway(server.asked[0].number)
        assert await second == (200, b"second")
        assert len(server.visits) == 2
        assert await ask(upstream, b"third") == (200, b"third")
        go_on.set()
        assert await first == (200, b"first")
        async with asyncio.timeout(5):
            await server.visits[0].is_over.wait()
        assert upstream.count_now()["open"] == 1


async def test_a_connection_that_breaks_fails_all_its_calls_and_is_replaced(serving):
    async def hold(asked):
        if len(server.visits) > 1:
            await echo(asked)

    async with serving(hold) as (server, upstream):
        asking = [asyncio.create_task(ask(upstream)) for _ in range(3)]
        await server.until_asked(3)
        server.visits[0].close()
        failures = await asyncio.gather(*asking, return_exceptions=True)
        assert [failure.reason for failure in failures] == [Reason.PROVIDER_UNREACHABLE] * 3
        assert await ask(upstream) == (200, b"{}")


async def test_timeouts_are_named_as_over_http_1(serving):
    async def say_a_head(asked):
        asked.head()
        await asked.is_reset.wait()

    async def say_nothing(asked):
        await asked.is_reset.wait()

    for script, which in ((say_nothing, "header"), (say_a_head, "first-byte")):
        async with serving(script, header=0.2, first_byte=0.4) as (server, upstream):
            with pytest.raises(RunestoneError, match=rf"\({which} timeout\)"):
                await ask(upstream)
            async with asyncio.timeout(5):
                await server.asked[0].is_reset.wait()
