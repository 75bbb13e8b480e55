"""`python -m bench.session_calls`: what a call on a session costs its caller and its callee, with nothing behind it.

Two processes, a core each where there are two: the chassis' channel here, its guarded server there, and the socket beside a
unix socket between them. A unary call is answered as a look-up that finds nothing; a stream says one message and ends, as
a model's whole answer does. Calls carry a deadline and an unsampled trace; messages are bytes already. The smallest of the
rounds counts: other work on the machine only adds.
"""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import uvloop

from bench.accounting import cpu_seconds
from bench.processes import running
from chassis import logs
from chassis.client import Channel, closing
from chassis.config import Settings
from chassis.context import CallContext, bind
from chassis.mux.socket_pipe import SUFFIX
from chassis.replicas import open_link
from chassis.runtime import Place, Runtime, Service, start_service
from chassis.server import MAX_MESSAGE
from chassis.snapshots import Snapshot, SnapshotFeed, snapshot_version
from chassis.testing import short_directory
from chassis.tracing import Tracing

ROUNDS, SECONDS, WARM_UP = 4, 1.0, 0.3
WIDTHS = (1, 8, 32)  # calls at once
PATIENCE = 10.0  # seconds until the callee answers
SERVICE = "bench.Calls"
QUESTION, ANSWER = bytes(700), bytes(600)

Ask = Callable[[], Awaitable[None]]


async def answer(request: bytes, context: Any) -> bytes:  # noqa: ARG001  a handler's signature
    """As a look-up that finds nothing."""
    return b""


async def say_once(request: bytes, context: Any) -> AsyncIterator[bytes]:  # noqa: ARG001  a handler's signature
    """As a model's whole answer."""
    yield ANSWER


def add_calls(_servicer: object, server: Any) -> None:
    """As a generated `add_..._to_server` does."""
    handlers = {
        "Unary": grpc.unary_unary_rpc_method_handler(answer, bytes, bytes),
        "Stream": grpc.unary_stream_rpc_method_handler(say_once, bytes, bytes),
    }
    server.add_registered_method_handlers(SERVICE, handlers)


async def build(runtime: Runtime) -> None:
    """The callee."""
    runtime.serve(add_calls, None, SERVICE)


async def serve(socket: Path) -> None:
    """Answers until the process is ended."""
    settings = Settings()
    feed = SnapshotFeed(Snapshot(snapshot_version(settings), settings))
    await start_service(Service("bench", build), Place(listen=f"unix:{socket}", data_dir=socket.parent), feed)
    await asyncio.Event().wait()


def asks(channel: Channel) -> dict[str, Ask]:
    """What is measured, by name."""
    call = channel.unary_unary(f"/{SERVICE}/Unary", bytes, bytes)
    begin = channel.unary_stream(f"/{SERVICE}/Stream", bytes, bytes)

    async def unary() -> None:
        await call(QUESTION)

    async def stream() -> None:
        async with closing(begin(QUESTION)) as answers:
            async for _ in answers:
                pass

    return {"unary": unary, "stream": stream}


async def measure(ask: Ask, width: int, seconds: float, callee: int) -> tuple[float, float]:
    """CPU-us a call of this process and of `callee`, while `width` calls run at any time."""
    trace = Tracing("bench").begin(None)
    until, calls = time.monotonic() + seconds, 0

    async def keep_asking() -> None:
        nonlocal calls
        while (now := time.monotonic()) < until:
            bind(CallContext(trace, now + PATIENCE))
            await ask()
            calls += 1

    here, there = time.process_time(), cpu_seconds(callee)
    await asyncio.gather(*(keep_asking() for _ in range(width)))
    return (time.process_time() - here) * 1e6 / calls, (cpu_seconds(callee) - there) * 1e6 / calls


async def compare(socket: Path, callee: int) -> None:
    """Prints a line for each case."""
    address = f"unix:{socket}"
    async with Channel(address, tracing=Tracing("bench"), link=open_link(address, MAX_MESSAGE)) as channel:
        if not await channel.is_connected_within(PATIENCE):
            sys.exit("bench: the callee does not answer")
        for name, ask in asks(channel).items():
            for width in WIDTHS:
                await measure(ask, width, WARM_UP, callee)
                rounds = [await measure(ask, width, SECONDS, callee) for _ in range(ROUNDS)]
                caller, served = (min(figures) for figures in zip(*rounds, strict=True))
                print(f"{name:6} {width:2} at once: caller {caller:5.1f} us, callee {served:5.1f} us", flush=True)


def main() -> None:
    """Measures; with the path of a socket, is the callee."""
    if sys.argv[1:]:
        logs.configure()
        uvloop.run(serve(Path(sys.argv[1])))
        return
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[0]})
    with short_directory() as directory:
        socket = directory / "s.sock"
        command = [sys.executable, "-m", "bench.session_calls", str(socket)]
        with running(command, core=cores[-1], log=directory / "callee.log") as callee:
            wait_for(socket.with_name(socket.name + SUFFIX))
            uvloop.run(compare(socket, callee.pid))


def wait_for(path: Path) -> None:
    """A caller that comes before the socket beside is there goes over gRPC."""
    until = time.monotonic() + PATIENCE
    while not path.exists() and time.monotonic() < until:
        time.sleep(0.05)


if __name__ == "__main__":
    main()
