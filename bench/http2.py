"""`python -m bench.http2`: what a call to a provider costs over HTTP/2, beside HTTP/1.1, both over TLS.

The client runs in a process of its own on one core, the upstream on the other; CPU is user and system time of the client's process.
*cold* is the first 100 calls at once of a provider that was just opened, handshakes included. docs/adr/0018 draws the conclusion.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvloop

from bench.upstream_clients import print_table, request, run, wait_for
from chassis.config.providers import Connections, Timeouts
from provider_svc.upstream import Upstream

ROUNDS, COLD, COLD_ROUNDS = 3, 100, 5
PROTOCOLS = {"HTTP/1.1": False, "HTTP/2": True}
PATH = "/v1/chat/completions"
NEW_KEY = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
SUBJECT = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]


def open_upstream(url: str, certificate: str, *, http2: bool) -> Upstream:
    return Upstream("bench", url, Timeouts(), ca=certificate, connections=Connections(http2=http2))


async def ask(client: Upstream, body: bytes) -> bytes:
    """As providers read streams: block by block, in the callback that brings it."""
    blocks: list[bytes] = []

    def take(block: bytes) -> bool:
        blocks.append(block)
        return True

    async with client.post(PATH, body, {"authorization": "Bearer k"}) as answer:
        await answer.flow(take)
    return b"".join(blocks)


async def measure(url: str, certificate: str, *, http2: bool) -> dict[str, float]:
    """CPU-microseconds per unary answer and per event; of a cold start per call, and its handshakes."""
    client = open_upstream(url, certificate, http2=http2)
    bodies = {True: request(stream=True), False: request(stream=False)}
    paced = bodies[True].replace(b'"burst"', b'"paced"')

    async def through(body: bytes) -> bytes:
        return await ask(client, body)

    found = {
        "KiB/stream": await measure_memory(client, paced),
        "unary us": (await run(through, bodies[False], connections=32, marker=b'"usage"'))[0],
        "unary us, 1 at a time": (await run(through, bodies[False], connections=1, marker=b'"usage"'))[0],
        "burst us/event": (await run(through, bodies[True], connections=16, marker=b"data: "))[0],
        "paced us/event, 10 streams": (await run(through, paced, connections=10, marker=b"data: "))[0],
        "paced us/event, 100 streams": (await run(through, paced, connections=100, marker=b"data: "))[0],
    }
    await client.close()
    return {**found, **await measure_cold(url, certificate, bodies[False], http2=http2)}


async def measure_memory(client: Upstream, body: bytes) -> float:
    """What the process grows by with each of many streams that run at once."""
    await ask(client, body)
    before = read_resident()
    asking = [asyncio.create_task(ask(client, body)) for _ in range(COLD)]
    await asyncio.sleep(0.7)
    grown = read_resident() - before
    await asyncio.gather(*asking)
    return grown / COLD


def read_resident() -> float:
    """KiB that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024


async def measure_cold(url: str, certificate: str, body: bytes, *, http2: bool) -> dict[str, float]:
    spent = handshakes = 0.0
    for _ in range(COLD_ROUNDS):
        client = open_upstream(url, certificate, http2=http2)
        await ask(client, body)  # reads the authorities
        client.pool.drop_idle()
        before = time.process_time()
        await asyncio.gather(*(ask(client, body) for _ in range(COLD)))
        spent += time.process_time() - before
        handshakes += client.statistics()["dialed"]
        await client.close()
    return {"cold us/call": spent / COLD / COLD_ROUNDS * 1e6, "handshakes": handshakes / COLD_ROUNDS}


@contextmanager
def upstream(core: int) -> Iterator[tuple[str, str]]:
    """The upstream's address and certificate while it runs on `core`."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        certificate, key = str(Path(folder, "cert.pem")), str(Path(folder, "key.pem"))
        subprocess.run([*NEW_KEY, *SUBJECT, "-keyout", key, "-out", certificate], check=True, capture_output=True)
        command = [sys.executable, "-m", "bench.http2_upstream", str(port), certificate, key]
        running = subprocess.Popen(["taskset", "-c", str(core), *command])
        try:
            wait_for(port)
            yield f"https://localhost:{port}", certificate
        finally:
            running.terminate()
            running.wait(20)


def measure_apart(name: str, url: str, certificate: str, core: int) -> dict[str, float]:
    """`measure` in a process of its own on `core`."""
    command = ["taskset", "-c", str(core), sys.executable, "-m", "bench.http2", name, url, certificate]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=120)
    return dict(json.loads(done.stdout))


def main() -> None:
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in PROTOCOLS}
    cores = sorted(os.sched_getaffinity(0))
    with upstream(cores[-1]) as (url, certificate):
        for number in range(ROUNDS):
            for name, measured in rounds.items():
                print(f"round {number + 1}/{ROUNDS}: {name}", file=sys.stderr)
                measured.append(measure_apart(name, url, certificate, cores[0]))
    print_table(rounds, {"HTTP/1.1": "httptools", "HTTP/2": "h2"})


if __name__ == "__main__":
    if len(sys.argv) == 4:
        print(json.dumps(uvloop.run(measure(*sys.argv[2:4], http2=PROTOCOLS[sys.argv[1]]))))
    else:
        main()
