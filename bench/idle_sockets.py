"""`python -m bench.idle_sockets`: what ten thousand idle WebSockets cost one edge process.

All are opened at a pace, sit there with a ping each half minute, and then a few of them talk: a message that is answered by the edge alone,
so that what is measured is the socket and no call. The mesh is on one core, the clients are on the other.
"""

import asyncio
import gc
import os
import resource
import sys
import time
from collections.abc import Sequence
from typing import Any, cast

import uvloop

from bench.accounting import TICK, name_tree, pss_by_process, read_tree
from bench.cases import ask_once
from bench.cores import Cores, share_out
from bench.direct import Direct
from bench.figures import quantile
from bench.mesh import Runestone
from bench.refusal import NotMeasured
from bench.targets import KEY, Place, Target, started

SOCKETS = 10_000
CONNECTS = 200  # a second
HEARTBEAT = 30.0  # seconds
WATCHED = 30.0  # seconds in which nothing but heartbeats come
TALKERS, MESSAGES, TALK = 100, 1_000, 10.0  # sockets, messages a second in all, seconds
GOALS = {"KiB a socket": 20.0, "% of a core": 10.0, "connect p99 ms": 100.0, "echo p99 ms": 10.0}

MASK = b"\x00\x00\x00\x00"  # the payload as it is: what is measured is not the client's arithmetic
PING = b"\x89\x80" + MASK
ASKED = b'{"type":"response.steer","previous_response_id":"r","input":"?"}'  # answered at once: no response is steered
MESSAGE = bytes((0x81, 0x80 | len(ASKED))) + MASK + ASKED
HANDSHAKE = (
    "GET /v1/responses HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
    f"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\nauthorization: Bearer {KEY}\r\n\r\n"
).encode()


class Client(asyncio.Protocol):
    """One socket. `opened` is when its handshake was answered; `answered` is called with each message that comes then."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[float] = loop.create_future()
        self.answer: asyncio.Future[float] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(HANDSHAKE)

    def data_received(self, data: bytes) -> None:
        if not self.opened.done():
            if not data.startswith(b"HTTP/1.1 101 "):
                self.opened.set_exception(NotMeasured(f"the handshake was refused: {data[:200]!r}"))
                return
            self.opened.set_result(time.perf_counter())
        elif self.answer is not None and data[0] == 0x81 and not self.answer.done():
            self.answer.set_result(time.perf_counter())

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(NotMeasured(f"the connection was closed: {exc}"))

    async def ask(self) -> float:
        """Seconds until a message is answered."""
        self.answer = asyncio.get_running_loop().create_future()
        begun = time.perf_counter()
        self.transport.write(MESSAGE)
        return await self.answer - begun


class Spacious(Runestone):
    """A mesh that takes so many from one address."""

    def configure(self, place: Place) -> dict[str, Any]:
        """As ever, but for the bounds."""
        config: dict[str, Any] = super().configure(place)
        bound = {"max_connections": 2 * SOCKETS, "max_connections_per_address": 2 * SOCKETS}
        config["edge"] |= {"protection": bound}
        return config


def main() -> None:
    """Measures and prints."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard < SOCKETS + 512:
        sys.exit(f"bench: needs {SOCKETS + 512} descriptors for each process, and may have {hard}")
    try:
        figures = measure(share_out(os.sched_getaffinity(0)))
    except NotMeasured as error:
        sys.exit(f"bench: {error}")
    for name, value in figures.items():
        goal = GOALS.get(name)
        verdict = "" if goal is None else f" (goal {goal:g}{', MISSED' if value > goal else ''})"
        print(f"{name}: {value:.2f}{verdict}")


def measure(cores: Cores) -> dict[str, float]:
    """The figures by name."""
    os.sched_setaffinity(0, {cores.load})
    direct, mesh = Direct(), Spacious()
    with (
        started(direct, 0, cores.upstream, ask_once(direct.manner(0))) as upstream,
        started(mesh, upstream.port, cores.gateway, ask_once(mesh.manner(upstream.port))) as target,
    ):
        return uvloop.run(watch(target))


async def watch(target: Target) -> dict[str, float]:
    """Opens, waits, talks. The clients' own garbage collector would be measured with the gateway's."""
    gc.disable()
    edge = next(pid for pid, name in name_tree(target.pid).items() if name == "gateway_edge")
    before = pss_by_process(target.pid)["gateway_edge"]
    clients, seconds = await open_all(target.port)
    beating = asyncio.create_task(beat(clients))
    after = pss_by_process(target.pid)["gateway_edge"]
    cpu, began = cpu_of(edge), time.perf_counter()
    await asyncio.sleep(WATCHED)
    share = (cpu_of(edge) - cpu) / (time.perf_counter() - began)
    echoes = await talk(clients[:TALKERS])
    beating.cancel()
    for client in clients:
        client.transport.abort()
    return {
        "sockets": float(len(clients)),
        "KiB a socket": (after - before) * 1024 / len(clients),
        "% of a core": 100 * share,
        "connect p50 ms": 1e3 * quantile(seconds, 0.5),
        "connect p99 ms": 1e3 * quantile(seconds, 0.99),
        "echo p50 ms": 1e3 * quantile(echoes, 0.5),
        "echo p99 ms": 1e3 * quantile(echoes, 0.99),
    }


async def open_all(port: int) -> tuple[list[Client], Sequence[float]]:
    """All sockets, and how long each took from its SYN to its 101."""
    loop = asyncio.get_running_loop()

    async def connect(number: int, origin: float) -> tuple[Client, float]:
        await asyncio.sleep(origin + number / CONNECTS - time.perf_counter())
        begun = time.perf_counter()
        _, client = await loop.create_connection(Client, "127.0.0.1", port)
        return client, await client.opened - begun

    origin = time.perf_counter()
    made = await asyncio.gather(*(connect(number, origin) for number in range(SOCKETS)))
    return [client for client, _ in made], [seconds for _, seconds in made]


async def beat(clients: Sequence[Client]) -> None:
    """A ping of each client every `HEARTBEAT`, spread evenly."""
    pause = 0.05
    share, at = max(1, round(len(clients) * pause / HEARTBEAT)), 0
    while True:
        for number in range(at, at + share):
            clients[number % len(clients)].transport.write(PING)
        at += share
        await asyncio.sleep(pause)


async def talk(clients: Sequence[Client]) -> Sequence[float]:
    """How long answers took, in seconds, of messages at an even pace."""
    origin, each = time.perf_counter(), len(clients) / MESSAGES

    async def keep_asking(number: int, client: Client) -> list[float]:
        taken = []
        for turn in range(int(TALK / each)):
            due = origin + turn * each + number / MESSAGES
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            taken.append(await client.ask())
        return taken

    told = await asyncio.gather(*(keep_asking(number, client) for number, client in enumerate(clients)))
    return [seconds for taken in told for seconds in taken]


def cpu_of(pid: int) -> float:
    """Seconds of CPU that one process has used."""
    return next(member.ticks for member in read_tree(pid) if member.pid == pid) / TICK


if __name__ == "__main__":
    main()
