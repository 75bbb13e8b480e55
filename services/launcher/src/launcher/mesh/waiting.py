"""Waiting for processes: until they are up, until nobody waits for them. Every wait is bounded."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import aiohttp

from chassis.file_identity import identify
from launcher.errors import LaunchError
from launcher.mesh.parts import LOOPBACK

UP = 60.0  # seconds for a process that was started
PAUSE = 0.1
LOOK = 1.0  # seconds between two looks at a file


async def wait_until(holds: Callable[[], Awaitable[bool]], patience: float) -> bool:
    """Asks again and again until it holds; False when it does not within `patience` seconds."""
    with suppress(TimeoutError):
        async with asyncio.timeout(patience):
            while not await holds():  # noqa: ASYNC110  other processes' states have no event
                await asyncio.sleep(PAUSE)
            return True
    return False


async def wait_for_port(port: int, what: str) -> None:
    """Returns once something listens there. Raises LaunchError when nothing does in time."""

    async def is_up() -> bool:
        try:
            _, writer = await asyncio.open_connection(LOOPBACK, port)
        except OSError:
            return False
        writer.close()
        return True

    if not await wait_until(is_up, UP):
        raise LaunchError(f"{what} is not up within {UP:g} s")


async def drain_envoy(admin_port: int, grace: float) -> None:
    """Envoy takes no new connections; returns once it has answered all calls, at most after `grace` seconds, and at once where it does not
    answer itself."""
    base = f"http://{LOOPBACK}:{admin_port}"
    with suppress(aiohttp.ClientError, TimeoutError):
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session:
            async with session.post(f"{base}/drain_listeners?graceful&skip_exit") as answer:
                answer.raise_for_status()

            async def is_idle() -> bool:
                return not await _count_running(session, base)

            await wait_until(is_idle, grace)


async def _count_running(session: aiohttp.ClientSession, base: str) -> int:
    """Calls that Envoy has not answered yet."""
    pattern = r"^http\.(tls|plain|grpc)\.downstream_rq_active$"
    async with session.get(f"{base}/stats", params={"filter": pattern}) as answer:
        lines = (await answer.text()).splitlines()
    return sum(int(line.rpartition(":")[2]) for line in lines if ":" in line)


async def follow_file(path: Path, on_change: Callable[[], None]) -> None:
    """Calls `on_change` whenever the file is another one, until it is cancelled."""
    known = await asyncio.to_thread(identify, path)
    while True:
        await asyncio.sleep(LOOK)
        now = await asyncio.to_thread(identify, path)
        if now != known:
            known = now
            on_change()
