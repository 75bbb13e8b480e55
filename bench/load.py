"""A load generator that costs little: keep-alive HTTP/1.1 connections, each asking again when it was answered.

Bounded in count and time, loopback only. Counts answers, events and failures, and the time of each answer and first byte.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import httptools

Ask = Callable[[int], bytes]  # the n-th request, whole


@dataclass
class Result:
    """What one run saw. Times in seconds."""

    answers: int = 0
    events: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    first_bytes: list[float] = field(default_factory=list)

    def fail(self, why: str) -> None:
        self.failures[why] = self.failures.get(why, 0) + 1


class Client(asyncio.Protocol):
    """One connection; `answered` is set when the answer in flight is whole."""

    def __init__(self, result: Result) -> None:
        self._result = result
        self.is_open = False

    def close(self) -> None:
        """Closes the connection."""
        self._transport.close()

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.is_open = True

    async def ask(self, request: bytes, patience: float) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._answered = asyncio.get_running_loop().create_future()
        self._events, self._first_byte = 0, 0.0
        started = time.perf_counter()
        self._transport.write(request)
        try:
            status = await asyncio.wait_for(self._answered, patience)
        except (TimeoutError, ConnectionError) as error:
            self._result.fail(type(error).__name__)
            self._transport.abort()
            return
        if status != 200:
            self._result.fail(f"status {status}")
            return
        self._result.answers += 1
        self._result.events += self._events
        self._result.latencies.append(time.perf_counter() - started)
        self._result.first_bytes.append(self._first_byte - started)

    def data_received(self, data: bytes) -> None:
        self._first_byte = self._first_byte or time.perf_counter()
        self._events += data.count(b"data: ")
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        if not self._answered.done():
            self._answered.set_result(self._parser.get_status_code())

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002  asyncio's signature
        self.is_open = False
        if hasattr(self, "_answered") and not self._answered.done():
            self._answered.set_exception(ConnectionResetError("closed"))


async def run_closed(port: int, ask: Ask, *, connections: int, seconds: float) -> Result:
    """`connections` clients ask as fast as they are answered, for `seconds`."""
    result, number = Result(), iter(range(10**9))
    deadline = time.perf_counter() + seconds

    async def one() -> None:
        client = await _connect(port, result)
        while time.perf_counter() < deadline:
            if not client.is_open:
                client = await _connect(port, result)
            await client.ask(ask(next(number)), 30)
        client.close()

    started = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(connections)))
    result.seconds = time.perf_counter() - started
    return result


async def run_open(port: int, ask: Ask, *, rate: float, seconds: float) -> Result:
    """One request each `1/rate` seconds, whether or not the last was answered."""
    result, idle = Result(), []

    async def one(number: int) -> None:
        client = idle.pop() if idle else await _connect(port, result)
        await client.ask(ask(number), 30)
        if client.is_open:
            idle.append(client)

    started = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, started + number / rate - time.perf_counter()))
            group.create_task(one(number))
    result.seconds = time.perf_counter() - started
    for client in idle:
        client.close()
    return result


async def _connect(port: int, result: Result) -> Client:
    _, client = await asyncio.get_running_loop().create_connection(lambda: Client(result), "127.0.0.1", port)
    return client
