"""The HTTP side alone: what the pool promises whoever calls a provider."""

import asyncio
import socket
import sys
from pathlib import Path

import pytest
from fake_provider import FakeProvider

from chassis.config.providers import Timeouts
from chassis.errors import Reason, RunestoneError
from provider_svc.upstream import Upstream

DESCRIPTORS = Path("/proc/self/fd")


@pytest.fixture
async def upstream(fake: FakeProvider):
    upstream = Upstream("fake", fake.openai_url + "/", Timeouts())
    yield upstream
    assert upstream.statistics()["running"] == 0
    await upstream.close()
    assert (upstream.count_now()["open"], upstream.running) == (0, 0)


def count_descriptors():
    return len(list(DESCRIPTORS.iterdir()))


def ask(upstream, model, **members):
    fields = "".join(f',"{name}":{value}' for name, value in members.items())
    body = f'{{"model":"{model}","messages":[{{"role":"user","content":"hello"}}]{fields}}}'
    return upstream.post("/chat/completions", body.encode(), {})


async def test_an_answer_has_status_headers_and_body(upstream):
    async with ask(upstream, "status=418") as answer:
        assert answer.status == 418
        assert answer.headers["Content-Type"].startswith("application/json")
        assert b"418" in await answer.read(1000)


async def test_a_body_beyond_the_bound_is_refused_and_its_socket_closed(upstream, fake):
    with pytest.raises(RunestoneError) as error:
        async with ask(upstream, "huge=20MiB") as answer:
            await answer.read(1 << 20)
    assert error.value.reason is Reason.PROVIDER_INVALID_ANSWER
    await (await fake.exchange()).wait_closed()


async def test_an_answer_that_was_read_gives_its_connection_back_and_an_unread_one_does_not(upstream):
    for _ in range(2):
        async with ask(upstream, "words=1") as answer:
            await answer.read(10_000)
    assert upstream.statistics()["open"] == 1
    async with ask(upstream, "huge=4MiB"):
        assert repr(upstream).startswith(
            "Upstream(fake, 1 running, Pool(1 open, 0 idle, 0 dialing, 0 waiting, 1 dialed, 2 reused"
        )
    await asyncio.sleep(0)
    assert upstream.statistics()["open"] == 0


async def test_nothing_is_read_ahead_beyond_the_buffers(upstream, fake):
    async with ask(upstream, "huge=64KiB,repeat=1024", stream="true"):
        exchange = await fake.exchange()
        assert await exchange.wait_still() < 32 << 20


async def test_cancelling_while_the_provider_does_not_answer_closes_the_socket(upstream, fake):
    async def call():
        async with ask(upstream, "hang=headers"):
            raise AssertionError

    task = asyncio.create_task(call())
    exchange = await fake.exchange()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await exchange.wait_closed()


@pytest.mark.skipif(not DESCRIPTORS.exists(), reason=f"{sys.platform} has no /proc/self/fd to count descriptors with")
async def test_cancelling_while_the_provider_does_not_take_the_request_frees_the_socket():
    """Bytes that nobody takes must not keep the socket: it is aborted, not closed when they are out."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        upstream = Upstream("deaf", f"http://127.0.0.1:{listener.getsockname()[1]}", Timeouts())

        async def call():
            async with upstream.post("/", b"x" * (48 << 20), {}):
                raise AssertionError

        before = count_descriptors()
        task = asyncio.create_task(call())
        while upstream.statistics()["open"] == 0:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(5):
            while count_descriptors() > before:
                await asyncio.sleep(0.01)
        await upstream.close()


async def test_an_environment_proxy_and_cookies_are_not_used(upstream, fake, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    for _ in range(2):
        async with ask(upstream, "words=1") as answer:
            await answer.read(10_000)
    assert "cookie" not in fake.exchanges[1].headers


async def test_a_large_body_arrives_whole(upstream, fake):
    body = b'{"model":"words=1","messages":[{"role":"user","content":"%b"}]}' % (b"x" * (3 << 20))
    async with upstream.post("/chat/completions", body, {}) as answer:
        assert answer.status == 200
    assert fake.exchanges[0].body == body


async def test_what_is_not_http_is_an_invalid_answer():
    async def talk(reader, writer):
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    upstream = Upstream("ssh", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", Timeouts())
    async with server:
        with pytest.raises(RunestoneError) as error:
            async with upstream.post("/", b"{}", {}):
                raise AssertionError
    assert error.value.reason is Reason.PROVIDER_INVALID_ANSWER
    await upstream.close()
