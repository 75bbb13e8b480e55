"""`python -m bench.channel_streams`: how many streams a node carries over WebSockets before one of them stands still.

Each client has a socket, joins a session, and asks for one paced answer after the other: fifty events, one each 20 ms. Round by round there
are more of them, until many events come more than 200 ms apart; that is where two cores end. The mesh is on one core, provider and clients
are on the other.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple, cast

import uvloop

from bench.cases import ask_once
from bench.cores import Cores, share_out
from bench.direct import Direct
from bench.figures import quantile
from bench.idle_sockets import MASK, Spacious
from bench.refusal import NotMeasured
from bench.targets import KEY, started

ROUNDS = (10, 25, 50, 100, 200, 400, 700, 1_000)
WARM_UP, WATCHED = 3.0, 8.0  # seconds
STALL = 0.2  # seconds
MANY = 0.01  # of all events: then there is no more to find out
GOAL = 1_000
HANDSHAKE = (
    "GET /socket/websocket?vsn=2.0.0 HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
    f"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\nauthorization: Bearer {KEY}\r\n\r\n"
).encode()
CHUNK, COMPLETE, FAILED = b'"stream:chunk"', b'"stream:complete"', b'"stream:error"'


class Round(NamedTuple):
    """What `streams` at a time came to: how many events, and the seconds between two reads of the same stream; what comes together counts as
    one."""

    streams: int
    events: int
    gaps: Sequence[float]

    @property
    def stalls(self) -> int:
        """How often an event came too late."""
        return sum(gap > STALL for gap in self.gaps)


class Client(asyncio.Protocol):
    """Asks for streams, one after the other; `gaps` is written while it is watched."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.gaps: list[float] | None = None
        self.events = 0
        self.fault: str = ""
        self._asked = 0  # how often
        self._last = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(HANDSHAKE)

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        if data.startswith(b"HTTP/1.1 "):
            if b" 101 " not in data[:16]:
                self.fault = data[:200].decode(errors="replace")
            self.transport.write(frame(["1", "1", "session:bench", "phx_join", {}]))
            self._ask()
            return
        if CHUNK in data:
            if self._last and self.gaps is not None:
                self.gaps.append(now - self._last)
            self._last = now
            self.events += data.count(CHUNK)
        if FAILED in data:
            self.fault = data[:300].decode(errors="replace")
        if COMPLETE in data:
            self._ask()

    def _ask(self) -> None:
        self._last, self._asked = 0.0, self._asked + 1
        message = {"role": "user", "content": f"{self.number} asks {self._asked}"}
        request = {"model": "paced", "messages": [message], "stream": True, "temperature": 1}
        asked = ["1", f"a{self._asked}", "session:bench", "chat:stream", {"request": request}]
        self.transport.write(frame(asked))


def frame(message: object) -> bytes:
    """A masked text frame of at most 64 KiB."""
    data = json.dumps(message).encode()
    head = bytes((0x81, 0x80 | len(data))) if len(data) < 126 else bytes((0x81, 0xFE)) + len(data).to_bytes(2, "big")
    return head + MASK + data


def main() -> None:
    """Measures and prints."""
    try:
        measure(share_out(os.sched_getaffinity(0)))
    except NotMeasured as error:
        sys.exit(f"bench: {error}")


def measure(cores: Cores) -> None:
    """Round by round, until one has stalls."""
    os.sched_setaffinity(0, {cores.load})
    direct, mesh = Direct(), Spacious()
    with (
        started(direct, 0, cores.upstream, ask_once(direct.manner(0))) as upstream,
        started(mesh, upstream.port, cores.gateway, ask_once(mesh.manner(upstream.port))) as target,
    ):
        carried = 0
        for streams in ROUNDS:
            done = uvloop.run(watch(target.port, streams))
            print(tell(done), flush=True)
            if done.stalls > len(done.gaps) * MANY:
                break
            carried = carried if done.stalls else streams
        print(f"without a stall: {carried} streams (goal {GOAL}{', MISSED' if carried < GOAL else ''})")


def tell(done: Round) -> str:
    """One line."""
    p50, p99, most = (1e3 * quantile(done.gaps, share) for share in (0.5, 0.99, 1.0))
    rate = done.events / WATCHED
    return f"{done.streams} streams: {rate:,.0f} events/s, apart p50 {p50:.1f} p99 {p99:.1f} most {most:.0f} ms, {done.stalls} stalls"


async def watch(port: int, streams: int) -> Round:
    """What comes in a while. Raises NotMeasured when a stream fails."""
    loop = asyncio.get_running_loop()
    clients = []
    for number in range(streams):
        _, client = await loop.create_connection(partial(Client, number), "127.0.0.1", port)
        clients.append(client)
        await asyncio.sleep(1 / streams)  # so that they do not beat as one
    await asyncio.sleep(WARM_UP)
    gaps: list[float] = []
    for client in clients:
        client.gaps, client.events = gaps, 0
    await asyncio.sleep(WATCHED)
    for client in clients:
        client.transport.abort()
        if client.fault:
            raise NotMeasured(client.fault)
    return Round(streams, sum(client.events for client in clients), gaps)


if __name__ == "__main__":
    main()
