"""A door that answers every HTTP request with its process id, and has a fact of its own."""

import asyncio
import os
import socket

from chassis.runtime import Runtime, Service


async def build(runtime: Runtime) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = f"{os.getpid()}".encode()
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        await writer.drain()
        writer.close()

    async def note_stop(grace: float) -> None:
        for server in servers:
            server.close()
        with (runtime.place.data_dir / "stops").open("a") as file:
            file.write("edge\n")

    runtime.metrics.counter("door_opened", "Doors opened").inc()
    sockets = [socket.socket(fileno=runtime.place.sockets[name]) for name in ("http", "websocket")]
    servers = [await asyncio.start_server(answer, sock=one) for one in sockets]
    runtime.on_stop(note_stop)
    assert sorted(runtime.place.peers) == ["audit", "cache"]
    assert runtime.settings.edge.drain.grace == 2


SERVICE = Service("edge", build)
