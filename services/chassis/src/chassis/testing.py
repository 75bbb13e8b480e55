"""What tests of every service need: a clock they own, a service on a socket of its own, a real Redis."""

import asyncio
import shutil
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from chassis.client import Channel
from chassis.config import Settings
from chassis.runtime import Place, Runtime, Service, start_service
from chassis.snapshots import Snapshot, SnapshotFeed, snapshot_version
from chassis.tracing import Tracing


class FakeClock:
    """Time that passes only when told to."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self._now = now

    def advance(self, seconds: float) -> None:
        """Lets `seconds` pass."""
        self._now += seconds

    def monotonic(self) -> float:
        """Same as `time`."""
        return self._now

    def time(self) -> float:
        """Seconds since the epoch."""
        return self._now


@contextmanager
def short_directory() -> Iterator[Path]:
    """A private directory whose path leaves room for socket names (their limit is 108 bytes)."""
    with tempfile.TemporaryDirectory(prefix="rs-", dir="/tmp") as path:
        yield Path(path)


@asynccontextmanager
async def running(
    service: Service, settings: Settings, *, peers: dict[str, str] | None = None, data_dir: Path | None = None
) -> AsyncIterator[tuple[Runtime, Channel]]:
    """A service built from `settings`, listening on a unix socket, and a channel to it."""
    with short_directory() as directory:
        place = Place(listen=f"unix:{directory}/s.sock", data_dir=data_dir or directory, peers=peers or {})
        feed = SnapshotFeed(Snapshot(snapshot_version(settings), settings))
        runtime = await start_service(service, place, feed)
        try:
            async with Channel(place.listen, tracing=Tracing("test"), timeout=10) as channel:
                yield runtime, channel
        finally:
            await runtime.stop(0)


@asynccontextmanager
async def redis_server(port: int | None = None) -> AsyncIterator[str]:
    """A real Redis on loopback that keeps nothing; yields its URL. Raises FileNotFoundError where none is installed."""
    port = port or free_port()
    command = [find_redis(), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: ASYNC220, S603
    try:
        await wait_for_port(port)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.kill()
        process.wait()


def find_redis() -> str:
    """The path of `redis-server`; raises FileNotFoundError with what to install."""
    path = shutil.which("redis-server") or shutil.which("valkey-server")
    if path is None:
        raise FileNotFoundError("redis-server is not installed (Debian: apt-get install redis-server)")
    return path


def free_port() -> int:
    """A TCP port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def wait_for_port(port: int, patience: float = 10.0) -> None:
    """Returns when something accepts connections on loopback; raises TimeoutError after `patience` seconds."""
    async with asyncio.timeout(patience):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return
