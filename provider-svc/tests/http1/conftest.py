"""A server that a test scripts byte by byte, on one end of a socket pair: no ports, and no network between the two."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Self

import pytest
import uvloop
from hypothesis import settings

from chassis.config.providers import Timeouts
from chassis.config.units import Duration
from provider_svc.http1.connection import Connection
from provider_svc.http1.limits import Limits
from provider_svc.http1.pool import Pool
from provider_svc.upstream import Upstream

settings.register_profile("unhurried", deadline=None)  # a busy machine is not a failure
settings.load_profile("unhurried")


LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@dataclass(eq=False)
class Visit:
    """The server's end of one connection."""

    number: int
    socket: socket.socket
    requests: list[tuple[bytes, bytes]] = field(default_factory=list)
    _held: bytes = b""

    async def request(self) -> tuple[bytes, bytes]:
        """The next request's head and body. Raises EOFError when the client closes instead."""
        while b"\r\n\r\n" not in self._held:
            await self._receive()
        head, _, _ = self._held.partition(b"\r\n\r\n")
        length = int(head.rpartition(b"content-length: ")[2])
        while len(self._held) < len(head) + 4 + length:
            await self._receive()
        body, self._held = self._held[len(head) + 4 :][:length], self._held[len(head) + 4 + length :]
        self.requests.append((head, body))
        return head, body

    async def say(self, *pieces: bytes) -> None:
        """Sends each piece on its own: the client's loop reads one before the next is sent."""
        for piece in pieces:
            await asyncio.get_running_loop().sock_sendall(self.socket, piece)
            await turns()

    async def wait_closed(self) -> None:
        """Returns when the client has closed; what it sends until then is thrown away."""
        async with asyncio.timeout(5):
            while await self._read():
                pass

    def close(self) -> None:
        self.socket.close()

    async def _receive(self) -> None:
        data = await self._read()
        if not data:
            raise EOFError
        self._held += data

    async def _read(self) -> bytes:
        try:
            return await asyncio.get_running_loop().sock_recv(self.socket, 1 << 16)
        except ConnectionError:
            return b""


Script = Callable[[Visit], Awaitable[None]]


async def turns(count: int = 3) -> None:
    """Lets the loop go round: what is in a socket is read."""
    for _ in range(count):
        await asyncio.sleep(0)


class Rig:
    """An upstream whose connections lead to `script`, one run of it for each."""

    def __init__(self, script: Script, *, limits: Limits | None = None, **timeouts: float) -> None:
        self.visits: list[Visit] = []
        self._script = script
        self._tasks: list[asyncio.Task[None]] = []
        known = {name: Duration(value) for name, value in timeouts.items()}
        self.upstream = Upstream("rig", "http://provider.example/v1", Timeouts(**known))
        self.upstream.pool = Pool(self._dial, limits or Limits(), self.upstream.counts)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        """Whatever happened: nothing runs, and no socket is left open."""
        await self.upstream.close()
        try:
            assert (self.upstream.count_now()["open"], self.upstream.running) == (0, 0)
            for visit in self.visits:
                if visit.socket.fileno() >= 0:
                    await visit.wait_closed()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            for visit in self.visits:
                visit.close()

    async def ask(self, body: bytes = b"{}") -> tuple[int, bytes]:
        """A whole exchange: status and body."""
        async with asyncio.timeout(10), self.upstream.post("/chat", body, {"authorization": "Bearer k"}) as answer:
            return answer.status, await answer.read(1 << 20)

    async def until_played(self) -> None:
        """Returns when every script is at its end, or waits for a request."""
        await turns(30)

    async def _dial(self, on_lost: Callable[[Connection], None], deadline: float) -> Connection:
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        visit = Visit(len(self.visits) + 1, theirs)
        self.visits.append(visit)
        self._tasks.append(asyncio.create_task(self._play(visit), name=f"visit {visit.number}"))
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: Connection(loop, on_lost), sock=ours)
        return connection

    async def _play(self, visit: Visit) -> None:
        try:
            await self._script(visit)
        except EOFError:
            return


@pytest.fixture(scope="session", params=LOOPS)
def play(request):
    """Runs one example of a property test, on either loop: `play(scene, ...)` where `scene` takes a rig as well."""

    def run(scene, *arguments):
        with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
            return runner.run(scene(Rig, *arguments))

    return run


@pytest.fixture
def rig() -> type[Rig]:
    """`async with rig(script) as it:` where `script(visit)` is what the server does on each connection."""
    return Rig


def pytest_asyncio_loop_factories(config, item):
    """Every scene plays on both loops: the mesh runs on uvloop, a test or an embedder on asyncio's own."""
    return LOOPS
