"""What the tests of sessions stand on: two methods whose behaviour each test says, behind a session of any kind."""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest

from chassis.clock import SystemClock
from chassis.health import Facts
from chassis.logs import get_logger
from chassis.metrics import Metrics
from chassis.mux.client_session import ClientSession
from chassis.mux.link import MuxLink
from chassis.mux.server_session import ServerSession
from chassis.plain import PlainLink
from chassis.server import MAX_MESSAGE, Server
from chassis.testing import free_port, short_directory
from chassis.tracing import Tracing

PATIENCE = 10
SETTLING_TURNS = 50  # of the loop, until what was cancelled has ended


async def echo(request: bytes, context: Any) -> bytes:
    return request


async def count_to_three(request: bytes, context: Any) -> AsyncIterator[bytes]:
    for number in range(3):
        yield b"%d" % number


@dataclass
class Acts:
    """A servicer of bytes whose two rpcs are the test's own functions."""

    unary: Callable[[bytes, Any], Awaitable[bytes]] = echo
    stream: Callable[[bytes, Any], AsyncIterator[bytes]] = count_to_three

    def handlers(self) -> dict[str, Any]:
        return {
            "Unary": grpc.unary_unary_rpc_method_handler(self.unary, bytes, bytes),
            "Stream": grpc.unary_stream_rpc_method_handler(self.stream, bytes, bytes),
        }


def add_acts(acts: Acts, server: Any) -> None:
    """As a generated `add_..._to_server` does."""
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Acts", acts.handlers()),))
    server.add_registered_method_handlers("test.Acts", acts.handlers())


@dataclass
class Scene:
    """A handler that says when it began, when it was left, and how often its end was called back; between it hangs."""

    before: tuple[bytes, ...] = ()
    began: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    said: int = 0
    called_back: int = 0

    async def unary(self, request: bytes, context: Any) -> bytes:
        self._begin(context)
        try:
            await asyncio.Event().wait()
        finally:
            self.left.set()
        return b""

    async def stream(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        self._begin(context)
        try:
            for message in self.before:
                self.said += 1
                yield message
            await asyncio.Event().wait()
        finally:
            self.left.set()

    def _begin(self, context: Any) -> None:
        context.add_done_callback(self._call_back)
        self.began.set()

    def _call_back(self, context: Any) -> None:
        self.called_back += 1


class Line:
    """Carries one session's batches to another, each in a later turn of the loop, as a pipe does. `hold` it to cut it off."""

    def __init__(self) -> None:
        self.source: Any = None
        self.target: Any = None
        self.is_held = self._is_due = False

    def wake(self) -> None:
        if not self._is_due and not self.is_held:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._carry)

    def release(self) -> None:
        self.is_held = False
        self.wake()

    def _carry(self) -> None:
        self._is_due = False
        while not self.is_held and (batch := self.source.next_batch()) is not None:
            self.target.receive(batch)


class Pair:
    """Both ends of a session in memory, to look into."""

    def __init__(self, acts: Acts, *, max_message: int, max_calls: int) -> None:
        self.out, self.back = Line(), Line()
        self.caller = ClientSession(self.out.wake, max_message, max_calls)
        self.callee = ServerSession(
            {f"/test.Acts/{name}": handler for name, handler in acts.handlers().items()},
            self.back.wake,
            clock=SystemClock(),
            log=get_logger("test"),
            max_message=max_message,
            max_calls=max_calls,
        )
        self.out.source, self.out.target = self.caller, self.callee
        self.back.source, self.back.target = self.callee, self.caller

    def begin(self, method: str, request: bytes = b"", timeout: float = PATIENCE) -> Any:
        return self.caller.begin(f"/test.Acts/{method}", request, timeout, ())

    @property
    def is_empty(self) -> bool:
        """Whether neither end remembers anything of any call."""
        ends = (self.caller, self.callee)
        return all(not end._calls and not end._outbox and not end._outbox.size and end.idle.is_set() for end in ends)


class Stage:
    """What tests put together: services, links to them, pairs of sessions in memory."""

    UNARY, STREAM = "/test.Acts/Unary", "/test.Acts/Stream"
    Scene, MuxLink, PlainLink = Scene, MuxLink, PlainLink

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def address(self, pipe: str) -> str:
        """Where a service listens so that sessions to it go through `pipe`."""
        return f"unix:{self.directory}/s.sock" if pipe == "socket" else f"127.0.0.1:{free_port()}"

    @asynccontextmanager
    async def serving(self, address: str, *, grace: float = 0, **behaviour: Any) -> AsyncIterator[Server]:
        server = await self.start(address, **behaviour)
        try:
            yield server
        finally:
            await server.stop(grace)

    async def start(self, address: str, **behaviour: Any) -> Server:
        server = Server(facts=Facts(), tracing=Tracing("t"), metrics=Metrics(), log=get_logger("t"))
        server.add(add_acts, Acts(**behaviour), "test.Acts")
        await server.start(address)
        return server

    @asynccontextmanager
    async def linked(self, address: str, **options: Any) -> AsyncIterator[MuxLink]:
        link = MuxLink(address, MAX_MESSAGE, **options)
        try:
            yield link
        finally:
            await link.close()

    @asynccontextmanager
    async def plainly_linked(self, address: str) -> AsyncIterator[PlainLink]:
        link = PlainLink(address)
        try:
            yield link
        finally:
            await link.close()

    def pair(self, *, max_message: int = MAX_MESSAGE, max_calls: int = 10_000, **behaviour: Any) -> Pair:
        return Pair(Acts(**behaviour), max_message=max_message, max_calls=max_calls)

    async def wait_until(self, holds: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not holds():
                await asyncio.sleep(0.001)

    async def settle(self) -> None:
        """Lets everything happen that needs no time."""
        for _ in range(SETTLING_TURNS):
            await asyncio.sleep(0)


@pytest.fixture
def stage() -> Iterator[Stage]:
    with short_directory() as directory:
        yield Stage(directory)


@pytest.fixture(params=["socket", "grpc"])
def pipe(request) -> str:
    """What carries a session."""
    return request.param


@pytest.fixture(autouse=True)
async def nothing_is_left() -> AsyncIterator[None]:
    """Each test leaves no task and no running timer behind, and no error that nobody looked at."""
    loop = asyncio.get_running_loop()
    before, errors = asyncio.all_tasks() - {asyncio.current_task()}, []
    loop.set_exception_handler(lambda _loop, context: errors.append(context))
    yield
    gc.collect()
    with suppress(TimeoutError):  # gRPC's own threads may still have to say that a call of theirs is over
        async with asyncio.timeout(PATIENCE):
            while asyncio.all_tasks() - before != {asyncio.current_task()}:
                await asyncio.sleep(0.001)
    assert errors == []
    assert asyncio.all_tasks() - before == {asyncio.current_task()}
    assert [timer for timer in loop._scheduled if not timer.cancelled()] == []
