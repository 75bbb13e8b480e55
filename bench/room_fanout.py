"""`python -m bench.room_fanout`: what a member costs an edge with each event of a stream that a whole room reads.

A thousand members of one room on one process: the edge's own generation and WebSockets on real TCP connections, which another process reads,
on another core. What is counted is all CPU of the edge's process from an event's arrival until the kernel has it, loop and system calls
included; beside it the same for a message that goes to everybody as it is. The smallest of the rounds counts: other work only adds.
"""

import asyncio
import json
import os
import selectors
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import structlog
import uvloop

from bench.cores import share_out
from bench.processes import running
from bench.refusal import NotMeasured
from chassis.metrics import Metrics
from gateway_edge.callers.session import Session
from gateway_edge.callers.tenants import Principal
from gateway_edge.channels.numbering import Numbered
from gateway_edge.messages.gate import Gate
from gateway_edge.rooms.crowd import Crowd, Member
from gateway_edge.rooms.generation import Generation
from gateway_edge.websocket.application import Application
from gateway_edge.websocket.framing import frame_text
from gateway_edge.websocket.socket import WebSocket
from gateway_edge.websocket.terms import Terms
from gateway_edge.websocket.traffic import Traffic

MEMBERS, EVENTS, ROUNDS = 1_000, 50, 7
GOAL = 15.0  # CPU-us a member
PACE = 0.02  # seconds between two events, as a model has them
PATIENCE = 20.0
TERMS = Terms(max_message=1 << 20, silence=60, message_time=60, rate=100, max_buffer=1 << 20, slow_consumer_timeout=30)
CHUNK = {
    "id": "chatcmpl-8d4e2c0f7b1a49b6", "object": "chat.completion.chunk", "created": 1_764_000_000, "model": "simulated",
    "choices": [{"index": 0, "delta": {"content": " token"}, "finish_reason": None}],
}  # fmt: skip


def main() -> None:
    """Measures and prints."""
    try:
        cores = share_out(os.sched_getaffinity(0))
    except NotMeasured as error:
        sys.exit(f"bench: {error}")
    os.sched_setaffinity(0, {cores.gateway})
    events, messages = uvloop.run(measure(cores.load))
    verdict = "" if events <= GOAL else ", MISSED"
    print(
        f"{MEMBERS:,} members: {events:.1f} CPU-us a member and event of a stream; the goal is at most {GOAL:g}{verdict}"
    )
    print(f"{messages:.1f} CPU-us a member and message")


async def measure(core: int) -> tuple[float, float]:
    """CPU-us a member: an event, a message."""
    sockets: list[WebSocket] = []
    is_full = asyncio.Event()
    server = await asyncio.get_running_loop().create_server(lambda: Accepting(sockets, is_full), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        with running([sys.executable, "-m", "bench.room_fanout", str(port)], core=core, log=Path(os.devnull)):
            await asyncio.wait_for(is_full.wait(), PATIENCE)
            return await take_rounds(
                [Member(ref=str(n), key="", meta=b"", listener=one) for n, one in enumerate(sockets)]
            )


async def take_rounds(members: list[Member]) -> tuple[float, float]:
    """The calmest of each."""
    crowd, generation = Crowd(MEMBERS), make_generation()
    for member in members:
        member.is_joined = True
        crowd.add(member)
        generation.add(member)
    data = json.dumps(CHUNK, separators=(",", ":")).encode()

    def feed() -> None:
        seq = generation.last + 1
        generation.feed([Numbered(seq, seq, "", data)])

    def say() -> None:
        crowd.tell(frame_text(b'[null,null,"room:lobby","room:message",' + data + b"]"))

    events, messages = [], []
    for _ in range(ROUNDS):
        events.append(await cost_of(feed))
        messages.append(await cost_of(say))
    return min(events), min(messages)


async def cost_of(do: Callable[[], None]) -> float:
    """CPU-us a member, of this process."""
    before = time.process_time()
    for _ in range(EVENTS):
        do()
        await asyncio.sleep(PACE)
    return (time.process_time() - before) * 1e6 / EVENTS / MEMBERS


def make_generation() -> Generation:
    """One whose readers all keep up."""

    async def read_alone(_generation: object, _listener: object, _cursor: int) -> int:
        raise AssertionError("nobody falls behind")

    return Generation(
        "req_0123456789",
        "room:lobby",
        Gate(60),
        frame_text=frame_text,
        read_alone=read_alone,
        max_waiting=TERMS.max_buffer // 2,
        max_bytes=4 << 20,
    )


class Keeper:
    """Of the sockets, and of their connections."""

    is_leaving = is_closing = False
    log = structlog.get_logger()

    def add(self, *_opened: object) -> None:
        """Nothing to note."""

    def remove(self, *_closed: object) -> None:
        """Nothing to note."""

    def hand_over(self, *_heir: object) -> None:
        """Nothing to note."""


class Silent:
    """Hears nothing."""

    def received(self, message: str | bytes) -> None:
        """Nobody says anything."""

    def drain(self) -> None:
        """Nothing stops."""

    def closed(self, code: int, reason: str) -> None:
        """It is over."""


_METRICS = Metrics().counter("messages", "x", ("direction",))
TRAFFIC = Traffic(_METRICS.labels("in"), _METRICS.labels("out"))


class Accepting(asyncio.Protocol):
    """A connection that is a WebSocket at once: the handshake is not what is measured."""

    def __init__(self, sockets: list[WebSocket], is_full: asyncio.Event) -> None:
        self._sockets = sockets
        self._is_full = is_full

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        written = cast("asyncio.Transport", transport)  # uvloop's own classes have no such base
        session, keeper = Session(Principal(tenant="acme", key="ci"), {}, "127.0.0.1", "v1"), Keeper()
        opened = WebSocket(session, "/", {}, terms=TERMS, keeper=keeper, traffic=TRAFFIC)
        application: Application = Silent()
        opened.speak(application)
        written.set_protocol(opened)
        opened.take_over(written, keeper, b"")
        self._sockets.append(opened)
        if len(self._sockets) == MEMBERS:
            self._is_full.set()


def read_all(port: int) -> None:
    """The members' side: reads and forgets."""
    chosen = selectors.DefaultSelector()
    for _ in range(MEMBERS):
        chosen.register(socket.create_connection(("127.0.0.1", port)), selectors.EVENT_READ)
    while chosen.get_map():
        for key, _ in chosen.select():
            found = key.fileobj
            assert isinstance(found, socket.socket)
            if not found.recv(1 << 16):
                chosen.unregister(found)


if __name__ == "__main__":
    read_all(int(sys.argv[1])) if len(sys.argv) > 1 else main()
