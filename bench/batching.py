"""`python -m bench.batching`: how many embeddings a second a provider gives that is asked for each alone, and for many together.

The provider takes 20 ms for a call, whatever it holds, and serves eight calls at once; the others wait. Callers ask for one embedding
each, of a text of 20 words, and again as soon as they have it. One process asks through all that stands around a provider in provider-svc,
over loopback; another, on a core of its own where there is one, is the provider. The two ways by turns, and the median of the rounds.
"""

import asyncio
import json
import os
import socket
import statistics
import sys
import tempfile
import time
from base64 import b64encode
from pathlib import Path
from typing import NamedTuple, cast

import httptools
import msgspec
import uvloop

from bench.processes import running
from bench.upstream_clients import wait_for
from chassis.clock import SystemClock
from chassis.config.providers import Batching, Provider
from chassis.config.units import Duration
from provider_svc.provider import Gathered, UpstreamCall
from provider_svc.providers import ProviderFactory
from runestone.common.v1.dialect_pb2 import DIALECT_OPENAI_EMBEDDINGS

COST, AT_ONCE = 0.020, 8  # seconds that an upstream call takes, and how many are served at once
CALLERS, WINDOW, MAX_ITEMS = 512, 0.005, 64
ROUNDS, SECONDS, WARM_UP = 3, 4.0, 1.0
GOAL = 5.0  # times as many
DIMENSIONS = 1536
TEXT = "How does a gateway ask for many embeddings at once, and how does each caller get its own of them back? "


class Figures(NamedTuple):
    """Of one way: embeddings a second, upstream calls a second, CPU-us an embedding of the process that asks, ms until a caller has it."""

    rate: float
    calls: float
    cpu: float
    latency: float


VECTOR = b64encode(bytes(4 * DIMENSIONS)).decode()


def answer(body: bytes) -> bytes:
    """A vector for each input, as the client asked for them: in base64."""
    given = json.loads(body)["input"]
    count = 1 if isinstance(given, str) else len(given)
    rows = [{"object": "embedding", "index": index, "embedding": VECTOR} for index in range(count)]
    usage = {"prompt_tokens": 20 * count, "total_tokens": 20 * count}
    document = json.dumps({"object": "list", "data": rows, "model": "m", "usage": usage}).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
        len(document),
        document,
    )


class Upstream(asyncio.Protocol):
    """One connection of the provider."""

    places: asyncio.Semaphore

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._parser = httptools.HttpRequestParser(self)
        self._body = b""
        self._task: asyncio.Task[None] | None = None

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._body = b""

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self._task = asyncio.create_task(self._answer(self._body))

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002  asyncio's signature
        if self._task is not None:
            self._task.cancel()

    async def _answer(self, body: bytes) -> None:
        async with Upstream.places:
            await asyncio.sleep(COST)
        self._transport.write(answer(body))


async def serve(port: int) -> None:
    """Is the provider until the process is ended."""
    Upstream.places = asyncio.Semaphore(AT_ONCE)
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


async def measure(port: int, window: float) -> Figures:
    """One way, its warm-up thrown away."""
    counted = 0

    def note_batch(_provider: str, calls: int) -> None:
        nonlocal counted
        counted += calls - 1

    base_url, batching = f"http://127.0.0.1:{port}/v1", Batching(window=Duration(window), max_items=MAX_ITEMS)
    configured = Provider(
        name="bench", kind="openai_compatible", base_url=base_url, dialects=["embeddings"], batching=batching
    )
    provider = ProviderFactory(SystemClock(), note_batch).open(configured)
    waits: list[float] = []

    async def keep_asking(caller: int, until: float) -> None:
        number = 0
        while (begun := time.perf_counter()) < until:
            number += 1
            given = msgspec.Raw(msgspec.json.encode(f"{caller} {number}: {TEXT}"))
            members = {"model": msgspec.Raw(b'"m"'), "input": given, "encoding_format": msgspec.Raw(b'"base64"')}
            call = UpstreamCall(
                call_id="c", model="m", stream=False, members=members, dialect=DIALECT_OPENAI_EMBEDDINGS
            )
            gathered = Gathered()
            await provider.call(call, gathered)
            assert len(gathered.steps) == 2
            waits.append(time.perf_counter() - begun)

    async def ask_for(seconds: float) -> float:
        begun = time.perf_counter()
        await asyncio.gather(*(keep_asking(caller, begun + seconds) for caller in range(CALLERS)))
        return time.perf_counter() - begun

    await ask_for(WARM_UP)
    waits.clear()
    counted, spent = 0, time.process_time()
    took = await ask_for(SECONDS)
    spent = time.process_time() - spent
    await provider.close()
    embeddings = len(waits)
    return Figures(
        embeddings / took, (embeddings - counted) / took, spent / embeddings * 1e6, statistics.median(waits) * 1e3
    )


def main() -> None:
    """Measures and prints; with a port, is the provider."""
    if sys.argv[1:]:
        uvloop.run(serve(int(sys.argv[1])))
        return
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[0]})
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    rounds: dict[float, list[Figures]] = {0.0: [], WINDOW: []}
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, "-m", "bench.batching", str(port)]
        with running(command, core=cores[-1], log=Path(directory) / "upstream.log"):
            wait_for(port)
            for _ in range(ROUNDS):
                for window, measured in rounds.items():
                    measured.append(uvloop.run(measure(port, window)))
    report(rounds)


def report(rounds: dict[float, list[Figures]]) -> None:
    """Medians of the rounds, and the verdict."""
    print(f"{CALLERS} callers; a provider that takes {COST * 1e3:.0f} ms a call and serves {AT_ONCE} at once")
    print(
        "| batching | embeddings/s | upstream calls/s | CPU-us an embedding | ms until it is there |\n|---|---:|---:|---:|---:|"
    )
    middles = {
        window: [statistics.median(column) for column in zip(*taken, strict=True)] for window, taken in rounds.items()
    }
    for window, (rate, calls, cpu, latency) in middles.items():
        name = f"window {window * 1e3:.0f} ms, at most {MAX_ITEMS}" if window else "off"
        print(f"| {name} | {rate:,.0f} | {calls:,.0f} | {cpu:,.0f} | {latency:,.0f} |")
    times = middles[WINDOW][0] / middles[0.0][0]
    print(
        f"{times:.1f} times the embeddings at equal cost of a call{'' if times >= GOAL else ', MISSED'}: the goal is {GOAL:.0f}"
    )


if __name__ == "__main__":
    main()
