"""A real Redis, or a cluster of them, on loopback."""

import asyncio
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass

from chassis.testing.ports import PATIENCE, free_port, short_directory, wait_for_port

SLOTS = 16_384  # of a Redis Cluster


@asynccontextmanager
async def redis_server(port: int | None = None) -> AsyncIterator[str]:
    """A real Redis on loopback that keeps nothing; yields its URL. Raises FileNotFoundError where none is installed."""
    async with redis_process(port) as server:
        yield server.url


@asynccontextmanager
async def redis_process(port: int | None = None, *options: str) -> AsyncIterator["RedisProcess"]:
    """The same, to do harm to. `options` go to its command line."""
    port = port or free_port()
    command = [find_redis(), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: ASYNC220, S603
    try:
        await wait_for_port(port)
        yield RedisProcess(port, process)
    finally:
        process.kill()
        process.wait()


@dataclass(frozen=True, slots=True)
class RedisProcess:
    """A running redis-server."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        """Where it is."""
        return f"redis://127.0.0.1:{self.port}/0"

    @contextmanager
    def held(self) -> Iterator[None]:
        """It hangs: connections are accepted, and nothing is answered."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """At once, as `kill -9`."""
        self.process.kill()
        self.process.wait()

    async def tell(self, command: str) -> str:
        """The answer to a command that is written without quotes: one line, or one text. Raises AssertionError for an error."""
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            try:
                writer.write(f"{command}\r\n".encode())
                line = (await reader.readline()).decode().strip()
                assert not line.startswith("-"), f"{command}: {line}"
                return (await reader.readexactly(int(line[1:]))).decode() if line.startswith("$") else line
            finally:
                writer.close()


@asynccontextmanager
async def redis_cluster(masters: int = 3) -> AsyncIterator[list[RedisProcess]]:
    """A Redis Cluster on loopback that keeps nothing: its masters, each with as many slots, none with a replica. Raises
    FileNotFoundError where Redis is not installed."""
    async with AsyncExitStack() as stack:
        directory = stack.enter_context(short_directory())
        servers: list[RedisProcess] = []
        buses = [free_port() for _ in range(masters)]
        for number, bus in enumerate(buses):
            options = (
                "--cluster-enabled",
                "yes",
                "--cluster-require-full-coverage",
                "no",
                "--cluster-node-timeout",
                "60000",
            )
            files = ("--dir", str(directory), "--cluster-config-file", f"{number}.conf")
            process = redis_process(None, *options, *files, "--cluster-port", str(bus))
            servers.append(await stack.enter_async_context(process))
        await _unite(servers, buses)
        yield servers


def cluster_url(servers: list[RedisProcess]) -> str:
    """The address of a cluster of these."""
    return "redis+cluster://" + ",".join(f"127.0.0.1:{server.port}" for server in servers)


async def _unite(servers: list[RedisProcess], buses: list[int]) -> None:
    share = -(-SLOTS // len(servers))
    for number, server in enumerate(servers):
        await server.tell(f"CLUSTER SET-CONFIG-EPOCH {number + 1}")
        await server.tell(f"CLUSTER ADDSLOTSRANGE {number * share} {min((number + 1) * share, SLOTS) - 1}")
    for server, bus in zip(servers[1:], buses[1:], strict=True):
        await servers[0].tell(f"CLUSTER MEET 127.0.0.1 {server.port} {bus}")
    async with asyncio.timeout(PATIENCE):
        for server in servers:
            while not _is_united(await server.tell("CLUSTER INFO"), len(servers)):  # noqa: ASYNC110  it tells nobody
                await asyncio.sleep(0.02)


def _is_united(info: str, count: int) -> bool:
    facts = dict(line.split(":", 1) for line in info.split())
    told = (facts["cluster_state"], facts["cluster_slots_ok"], facts["cluster_size"])
    return told == ("ok", str(SLOTS), str(count))


def find_redis() -> str:
    """The path of `redis-server`; raises FileNotFoundError with what to install."""
    path = shutil.which("redis-server") or shutil.which("valkey-server")
    if path is None:
        raise FileNotFoundError("redis-server is not installed (Debian: apt-get install redis-server)")
    return path
