"""Places on this machine where a test's servers listen."""

import asyncio
import itertools
import os
import random
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PATIENCE = 10.0  # seconds for something to come up
PORTS = range(10_240, 32_768)  # below those that the system gives to whoever asks for any, and to who connects
SHARE = 1_408  # ports of each process among those that pass the tests side by side


@contextmanager
def short_directory() -> Iterator[Path]:
    """A private directory whose path leaves room for socket names (their limit is 108 bytes)."""
    with tempfile.TemporaryDirectory(prefix="rs-", dir="/tmp") as path:
        yield Path(path)


def list_ports(worker: str) -> range:
    """Those that a process may take, whose name among pytest's is `gw0`, `gw1` and so on; "" where there is but one."""
    shares = len(PORTS) // SHARE
    first = int(worker.removeprefix("gw") or 0) % shares * SHARE
    return PORTS[first : first + SHARE]


def _take_turns() -> Iterator[int]:
    ports = list_ports(os.environ.get("PYTEST_XDIST_WORKER", ""))
    start = random.randrange(len(ports))  # noqa: S311  apart from another checkout's, not a secret
    return itertools.cycle([*ports[start:], *ports[:start]])


_turns = _take_turns()


def free_port() -> int:
    """A TCP port on loopback that nobody listens on now, nor soon: it comes round again last, and no test beside takes it. Raises
    OSError where none is free."""
    for port in itertools.islice(_turns, SHARE):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no port is free")


async def wait_for_port(port: int, patience: float = PATIENCE) -> None:
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
