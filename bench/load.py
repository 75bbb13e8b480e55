"""Two kinds of load, bounded in time, on loopback only: as fast as answers come, and at a fixed rate."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from bench.cases import Ask
from bench.client import Client, Tally, connect

PAUSE = 0.1  # seconds after a connection that could not be made


@asynccontextmanager
async def closed_loop(
    port: int, ask: Ask, *, connections: int, stagger: float = 0.0, is_stream: bool = False
) -> AsyncIterator[Tally]:
    """While the context is open, each of `connections` asks again as soon as it was answered; leaving it waits for the
    answers in flight. `stagger` (seconds) spreads the first questions. The tally counts what comes."""
    tally, is_over = Tally(), asyncio.Event()

    async def keep_asking(delay: float) -> None:
        await asyncio.sleep(delay)
        client: Client | None = None
        while not is_over.is_set():
            try:
                client = client if client and client.is_open else await connect(port, tally)
            except OSError:
                await asyncio.sleep(PAUSE)
            else:
                await client.ask(ask(), is_stream=is_stream)
        if client:
            client.close()

    async with asyncio.TaskGroup() as group:
        for number in range(connections):
            group.create_task(keep_asking(stagger * number / connections))
        try:
            yield tally
        finally:
            is_over.set()


async def open_loop(port: int, ask: Ask, *, rate: float, seconds: float) -> Tally:
    """One question each `1/rate` seconds, whether or not the last was answered."""
    tally, idle = Tally(), list[Client]()

    async def ask_once() -> None:
        with suppress(OSError):  # it is in the tally
            client = idle.pop() if idle else await connect(port, tally)
            client = client if client.is_open else await connect(port, tally)
            await client.ask(ask())
            idle.append(client)

    loop = asyncio.get_running_loop()
    began = loop.time()
    async with asyncio.TaskGroup() as group:
        for number in range(int(rate * seconds)):
            await asyncio.sleep(began + number / rate - loop.time())
            group.create_task(ask_once())
    for client in idle:
        client.close()
    return tally
