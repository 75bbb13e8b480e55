"""`python -m bench.upstream_clients`: what an HTTP client costs provider-svc, candidates beside each other in one run.

Each client runs in a process of its own on one core, the upstream on the other, and asks as an SDK would: 700 bytes out;
600 bytes back, or a stream of 50 events that come at once. CPU is user and system time of the client's process, all its
threads included, over answers or events; what the counting itself costs is the same for all. docs/adr/0006 draws the
conclusion. Clients that the project does not depend on are left out unless they are installed (`uv pip install pyreqwest`).
"""

import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import uvloop

UPSTREAM = Path(__file__).with_name("upstream.py")
QUESTION = "Please explain, in plain words and with one example, how a gateway relays a stream of tokens. " * 6
ROUNDS, SECONDS, WARM_UP = 3, 3.0, 0.7
PATH = "/v1/chat/completions"
HEADERS = {"authorization": "Bearer k", "content-type": "application/json", "accept-encoding": "identity"}

Ask = Callable[[bytes], Awaitable[bytes]]  # posts a body, returns the answer's
Open = Callable[[AsyncExitStack, str], Awaitable[Ask]]


async def open_own(stack: AsyncExitStack, url: str) -> Ask:
    """What provider-svc uses, with all its timeouts; it sends the other headers by itself."""
    from chassis.config.providers import Timeouts  # noqa: PLC0415  only the client under measurement is loaded
    from provider_svc.upstream import Upstream  # noqa: PLC0415

    client = Upstream("bench", url, Timeouts())
    stack.push_async_callback(client.close)

    async def ask(body: bytes) -> bytes:
        async with client.post(PATH, body, {"authorization": "Bearer k"}) as answer:
            return b"".join([block async for block in answer.blocks()])

    return ask


async def open_aiohttp(stack: AsyncExitStack, url: str) -> Ask:
    """aiohttp with its C parser."""
    import aiohttp  # noqa: PLC0415

    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=30)
    timeout = aiohttp.ClientTimeout(total=600, connect=5, sock_read=60)
    client = await stack.enter_async_context(
        aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), timeout=timeout)
    )

    async def ask(body: bytes) -> bytes:
        async with client.post(url + PATH, data=body, headers=HEADERS, allow_redirects=False) as answer:
            return b"".join([block async for block in answer.content.iter_any()])

    return ask


async def open_httpx2(stack: AsyncExitStack, url: str) -> Ask:
    """httpx2, which the OpenAI SDK brings along."""
    import httpx2  # noqa: PLC0415

    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
    client = await stack.enter_async_context(httpx2.AsyncClient(limits=limits, timeout=60, trust_env=False))

    async def ask(body: bytes) -> bytes:
        async with client.stream("POST", url + PATH, content=body, headers=HEADERS) as answer:
            return b"".join([block async for block in answer.aiter_raw()])

    return ask


async def open_pyreqwest(stack: AsyncExitStack, url: str) -> Ask:
    """reqwest and hyper, written in Rust, on a thread of their own."""
    from pyreqwest.client import ClientBuilder  # noqa: PLC0415

    client = await stack.enter_async_context(ClientBuilder().build())

    async def ask(body: bytes) -> bytes:
        blocks = []
        async with client.post(url + PATH).headers(HEADERS).body_bytes(body).build_streamed() as answer:
            while (block := await answer.body_reader.read_chunk()) is not None:
                blocks.append(block)
        return b"".join(map(bytes, blocks))

    return ask


# Its distribution, None for our own, and how it is opened.
CLIENTS: dict[str, tuple[str | None, Open]] = {
    "own (http1 on httptools)": (None, open_own),
    "aiohttp": ("aiohttp", open_aiohttp),
    "httpx2": ("httpx2", open_httpx2),
    "pyreqwest (Rust)": ("pyreqwest", open_pyreqwest),
}


async def measure(name: str, url: str) -> dict[str, float]:
    """CPU-microseconds of this process per unary answer and per event of a burst, and what a second brings."""
    async with AsyncExitStack() as stack:
        ask = await CLIENTS[name][1](stack, url)
        unary = await run(ask, request(stream=False), connections=32, marker=b'"usage"')
        burst = await run(ask, request(stream=True), connections=16, marker=b"data: ")
    return {"unary us": unary[0], "unary/s": unary[1], "burst us/event": burst[0], "events/s": burst[1]}


def request(*, stream: bool) -> bytes:
    """A body of about 700 bytes."""
    document = {"model": "burst", "messages": [{"role": "user", "content": QUESTION}], "stream": stream}
    return json.dumps(document).encode()


async def run(ask: Ask, body: bytes, *, connections: int, marker: bytes) -> tuple[float, float]:
    """Microseconds of CPU per marker seen, and markers a second; the warm-up is thrown away."""
    await count_until(time.perf_counter() + WARM_UP, ask, body, connections, marker)
    spent, started = time.process_time(), time.perf_counter()
    seen = await count_until(started + SECONDS, ask, body, connections, marker)
    return (time.process_time() - spent) / seen * 1e6, seen / (time.perf_counter() - started)


async def count_until(deadline: float, ask: Ask, body: bytes, connections: int, marker: bytes) -> int:
    """How often the marker came back."""

    async def one() -> int:
        seen = 0
        while time.perf_counter() < deadline:
            found = (await ask(body)).count(marker)
            if not found:
                raise RuntimeError("an answer without what was asked for")
            seen += found
        return seen

    return sum(await asyncio.gather(*(one() for _ in range(connections))))


@contextmanager
def upstream(core: int) -> Iterator[str]:
    """The upstream's address while it runs on `core`."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    running = subprocess.Popen(["taskset", "-c", str(core), sys.executable, str(UPSTREAM), str(port)])
    try:
        wait_for(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        running.terminate()
        running.wait(20)


def wait_for(port: int) -> None:
    """Returns when something listens; raises TimeoutError after ten seconds."""
    deadline = time.perf_counter() + 10
    while time.perf_counter() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise TimeoutError("the upstream does not listen")


def measure_apart(name: str, url: str, core: int) -> dict[str, float]:
    """`measure` in a process of its own on `core`."""
    command = ["taskset", "-c", str(core), sys.executable, "-m", "bench.upstream_clients", name, url]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=60)
    return dict(json.loads(done.stdout))


def find_version(distribution: str | None) -> str | None:
    """What stands in the table's second column; None for what is not installed."""
    try:
        return version(distribution) if distribution else "-"
    except PackageNotFoundError:
        return None


def main() -> None:
    present = {name: find_version(distribution) for name, (distribution, _) in CLIENTS.items()}
    for name in [name for name, found in present.items() if found is None]:
        print(f"{name} is left out: not installed", file=sys.stderr)
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name, found in present.items() if found}
    cores = sorted(os.sched_getaffinity(0))
    with upstream(cores[-1]) as url:
        for number in range(ROUNDS):
            for name, measured in rounds.items():
                print(f"round {number + 1}/{ROUNDS}: {name}", file=sys.stderr)
                measured.append(measure_apart(name, url, cores[0]))
    print_table(rounds, present)


def print_table(rounds: dict[str, list[dict[str, float]]], versions: dict[str, str | None]) -> None:
    """Medians of the rounds, with their range."""
    columns = list(next(iter(rounds.values()))[0])
    print(f"| client | version | {' | '.join(columns)} |\n|---|---|{'---|' * len(columns)}")
    for name, measured in rounds.items():
        cells = [cell([each[column] for each in measured]) for column in columns]
        print(f"| {name} | {versions[name]} | {' | '.join(cells)} |")


def cell(values: list[float]) -> str:
    digits = 0 if max(values) >= 1000 else 2 if max(values) < 10 else 1
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:,.{digits}f} ({low:,.{digits}f}-{high:,.{digits}f})"


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(json.dumps(uvloop.run(measure(*sys.argv[1:]))))
    else:
        main()
