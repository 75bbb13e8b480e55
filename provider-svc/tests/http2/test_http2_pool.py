"""When connections are opened, kept and left, and servers that do not speak HTTP/2."""

import asyncio

import pytest
from http1.test_http1_dialing import Mute, Origin
from http1.test_http1_dialing import serving as serving_plainly
from http2.stage import ask, echo

from chassis.config.providers import Connections, Timeouts
from chassis.config.units import Duration
from chassis.errors import Reason, RunestoneError
from chassis.testing import free_port
from provider_svc.upstream import Upstream


async def until(condition) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("protocols", [("http/1.1",), ("unheard-of",)])
async def test_a_server_without_http_2_gets_its_calls_over_http_1(authority, protocols):
    origin = Origin()
    async with serving_plainly(origin, ssl=authority.context(*protocols)) as port:
        upstream = Upstream(
            "plain",
            f"https://localhost:{port}",
            Timeouts(),
            ca=authority.certificate,
            connections=Connections(http2=True, warm=2),
        )
        assert await asyncio.gather(*(ask(upstream) for _ in range(5))) == [(200, b"{}")] * 5
        assert await ask(upstream) == (200, b"{}")
        assert len(origin.heads) == 6
        assert upstream.count_now()["open"] == upstream.count_now()["idle"] <= 7
        await upstream.close()


async def test_without_the_setting_http_2_is_not_offered(authority):
    origin = Origin()
    async with serving_plainly(origin, ssl=authority.context("h2", "http/1.1")) as port:
        upstream = Upstream("plain", f"https://localhost:{port}", Timeouts(), ca=authority.certificate)
        assert await ask(upstream) == (200, b"{}")
        await upstream.close()
    assert origin.protocols == ["http/1.1"]


async def test_a_warm_connection_is_there_before_the_first_call(serving):
    async with serving(echo, connections={"warm": 4}) as (server, upstream):
        await until(lambda: upstream.count_now()["idle"] == 1)
        assert await ask(upstream) == (200, b"{}")
        assert len(server.visits) == 1


async def test_an_idle_connection_is_closed_and_one_in_use_is_not(serving):
    go_on = asyncio.Event()

    async def hold(asked):
        await go_on.wait()
        await echo(asked)

    async with serving(hold, connections={"idle": Duration(0.05)}) as (server, upstream):
        asking = asyncio.create_task(ask(upstream))
        await server.until_asked(1)
        await asyncio.sleep(0.2)
        assert upstream.count_now()["open"] == 1
        go_on.set()
        await asking
        await until(lambda: upstream.count_now()["open"] == 0)
        assert upstream.statistics()["idled_out"] == 1


async def test_an_old_connection_takes_no_call_and_closes_behind_its_last(serving):
    go_on = asyncio.Event()

    async def hold(asked):
        if len(server.asked) == 1:
            await go_on.wait()
        await echo(asked)

    async with serving(hold, connections={"age": Duration(0.05)}) as (server, upstream):
        asking = asyncio.create_task(ask(upstream))
        await server.until_asked(1)
        await asyncio.sleep(0.1)
        await ask(upstream)
        assert len(server.visits) == 2
        go_on.set()
        assert await asking == (200, b"{}")
        async with asyncio.timeout(5):
            await server.visits[0].is_over.wait()
        assert upstream.statistics()["aged_out"] >= 1


async def test_what_leads_where_the_origin_is_no_longer_closes_behind_its_last_call(serving):
    async with serving(echo) as (server, upstream):
        await ask(upstream)
        upstream.pool._leads_to = lambda _peer: False
        upstream.pool.drop_moved()
        assert upstream.count_now()["open"] == 0
        assert upstream.statistics()["moved_away"] == 1
        upstream.pool._leads_to = lambda _peer: True
        assert await ask(upstream) == (200, b"{}")
        assert len(server.visits) == 2


async def test_who_cannot_be_reached_is_no_connection_for_all_who_wait(authority):
    upstream = Upstream(
        "gone",
        f"https://localhost:{free_port()}",
        Timeouts(),
        ca=authority.certificate,
        connections=Connections(http2=True),
    )
    failures = await asyncio.gather(*(ask(upstream) for _ in range(3)), return_exceptions=True)
    assert [failure.reason for failure in failures] == [Reason.PROVIDER_UNREACHABLE] * 3
    assert (upstream.statistics()["dial_failures"], upstream.count_now()["dialing"]) == (1, 0)
    await upstream.close()


async def test_a_handshake_that_hangs_is_a_connect_timeout(authority):
    async with serving_plainly(Mute()) as port:
        upstream = Upstream(
            "mute",
            f"https://localhost:{port}",
            Timeouts(connect=Duration(0.1)),
            ca=authority.certificate,
            connections=Connections(http2=True),
        )
        with pytest.raises(RunestoneError, match=r"did not accept a connection within 0.1 s \(connect timeout\)"):
            await ask(upstream)
        await upstream.close()


async def test_a_call_that_gives_up_waiting_takes_nothing_with_it(serving):
    async with serving(echo) as (server, upstream):
        leaving = asyncio.create_task(ask(upstream))
        staying = asyncio.create_task(ask(upstream))
        await asyncio.sleep(0)
        leaving.cancel()
        assert await staying == (200, b"{}")
        assert upstream.count_now()["streams"] == 0
        assert len(server.visits) == 1
