"""An upstream in front of a server that speaks HTTP/2."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvloop
from http2.stage import Script, Server

from chassis.config.providers import Connections, Timeouts
from chassis.config.units import Duration
from provider_svc.upstream import Upstream

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
def serving(authority):
    """`async with serving(script) as (server, upstream):` at its end no call runs and no connection is left."""

    @asynccontextmanager
    async def serve(
        script: Script | Server,
        *,
        connections: dict | None = None,
        protocols: tuple[str, ...] = ("h2",),
        **timeouts: float,
    ) -> AsyncIterator[tuple[Server, Upstream]]:
        server = script if isinstance(script, Server) else Server(script)
        context: ssl.SSLContext = authority.context(*protocols)
        listening = await asyncio.start_server(server.talk, "127.0.0.1", 0, ssl=context)
        upstream = Upstream(
            "shared",
            f"https://localhost:{listening.sockets[0].getsockname()[1]}/v1",
            Timeouts(**{name: Duration(value) for name, value in timeouts.items()}),
            ca=authority.certificate,
            connections=Connections(http2=True, **(connections or {})),
        )
        async with listening:
            try:
                yield server, upstream
                assert upstream.running == 0
            finally:
                await upstream.close()
            assert upstream.count_now()["open"] == 0
            await server.end()

    return serve


def pytest_asyncio_loop_factories(config, item):
    """Every scene plays on both loops."""
    return LOOPS
