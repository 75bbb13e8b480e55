"""`python -m bench.cache_lookup`: how long a look-up takes over a unix socket, and what it costs both ends.

A real cache-svc on memory on one core, the asker on the other, over the chassis' channel, as an edge asks. A thousand answers are
there, of which any is asked for; a miss is any other question. The calmest of the rounds counts: at p99 a busy machine shows its own
time slices.
"""

import asyncio
import os
import random
import sys
import time
from pathlib import Path

import uvloop

from bench.accounting import cpu_seconds
from bench.cores import share_out
from bench.figures import quantile
from bench.processes import running
from bench.refusal import NotMeasured
from chassis.client import Channel
from chassis.context import CallContext, bind
from chassis.mux.socket_pipe import SUFFIX
from chassis.replicas import open_link
from chassis.server import MAX_MESSAGE
from chassis.testing import short_directory
from chassis.tracing import Tracing
from runestone.cache.v1.cache_pb2 import Answer, LookUpRequest, StoreRequest
from runestone.cache.v1.cache_pb2_grpc import CacheServiceStub

ROUNDS, CALLS, ANSWERS = 60, 400, 1_000
SIZES = (600, 4_096)  # bytes of a body
WIDTHS = (1, 8)  # look-ups at once
PATIENCE = 10.0  # seconds until the service answers


class Asker:
    """Asks one service; `callee` is its process."""

    def __init__(self, channel: Channel, callee: int) -> None:
        self._stub = CacheServiceStub(channel)
        self._callee = callee
        self._dice = random.Random(1)
        self._trace = Tracing("bench").begin(None)
        self._known = [self._dice.randbytes(32) for _ in range(ANSWERS)]

    async def fill(self, size: int) -> None:
        """Stores the answers."""
        bind(CallContext(self._trace, time.monotonic() + PATIENCE))
        for fingerprint in self._known:
            answer = Answer(body=self._dice.randbytes(size), content_type="application/json", provider="sim", model="m")
            await self._stub.Store(StoreRequest(fingerprint=fingerprint, answer=answer))

    async def measure(self, width: int, *, is_known: bool) -> tuple[float, float, float]:
        """Milliseconds at p50 and p99, and CPU-us a look-up on both ends."""
        rounds = [await self._run(width, is_known=is_known) for _ in range(ROUNDS)]
        p50, p99, cpu = (min(figures) for figures in zip(*rounds, strict=True))
        return p50, p99, cpu

    async def _run(self, width: int, *, is_known: bool) -> tuple[float, float, float]:
        took: list[float] = []
        before = time.process_time() + cpu_seconds(self._callee)
        await asyncio.gather(*(self._ask(CALLS // width, took, is_known=is_known) for _ in range(width)))
        spent = time.process_time() + cpu_seconds(self._callee) - before
        return quantile(took, 0.5) * 1e3, quantile(took, 0.99) * 1e3, spent * 1e6 / len(took)

    async def _ask(self, calls: int, took: list[float], *, is_known: bool) -> None:
        for _ in range(calls):
            request = LookUpRequest(
                fingerprint=self._dice.choice(self._known) if is_known else self._dice.randbytes(32)
            )
            began = time.monotonic()
            bind(CallContext(self._trace, began + PATIENCE))
            response = await self._stub.LookUp(request)
            took.append(time.monotonic() - began)
            if response.HasField("hit") != is_known:
                raise NotMeasured("a look-up did not find what it should, or found what it should not")


async def compare(socket: Path, callee: int) -> None:
    """Prints a line for each case."""
    address = f"unix:{socket}"
    async with Channel(address, tracing=Tracing("bench"), link=open_link(address, MAX_MESSAGE)) as channel:
        if not await channel.is_connected_within(PATIENCE):
            raise NotMeasured("cache-svc does not answer")
        asker = Asker(channel, callee)
        print("| look-up | at once | p50 ms | p99 ms | CPU us, both ends |\n| --- | ---: | ---: | ---: | ---: |")
        for size in SIZES:
            await asker.fill(size)
            for width in WIDTHS:
                p50, p99, cpu = await asker.measure(width, is_known=True)
                print(f"| hit, {size:,} B | {width} | {p50:.3f} | {p99:.3f} | {cpu:.0f} |", flush=True)
        p50, p99, cpu = await asker.measure(1, is_known=False)
        print(f"| miss | 1 | {p50:.3f} | {p99:.3f} | {cpu:.0f} |")


def main() -> None:
    """Starts the service, measures, stops it."""
    try:
        cores = share_out(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores.load})
        with short_directory() as directory:
            socket = directory / "s.sock"
            command = [sys.executable, "-m", "cache_svc", "--listen", f"unix:{socket}", "--data-dir", str(directory)]
            with running(command, core=cores.gateway, log=directory / "cache.log") as callee:
                _wait_for(socket.with_name(socket.name + SUFFIX))
                uvloop.run(compare(socket, callee.pid))
    except NotMeasured as error:
        sys.exit(f"bench: {error}")


def _wait_for(path: Path) -> None:
    """A caller that comes before the socket beside is there goes over gRPC."""
    until = time.monotonic() + PATIENCE
    while not path.exists() and time.monotonic() < until:
        time.sleep(0.05)


if __name__ == "__main__":
    main()
