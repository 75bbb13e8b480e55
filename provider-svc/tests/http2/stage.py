"""A server that speaks HTTP/2 over TLS and is scripted stream by stream; and a call to it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded, StreamReset, WindowUpdated
from h2.exceptions import H2Error
from h2.settings import SettingCodes, Settings
from hyperframe.frame import GoAwayFrame

from provider_svc.upstream import Upstream


class Asked:
    """The server's end of one stream."""

    def __init__(self, visit: "Visit", number: int, fields: dict[bytes, bytes]) -> None:
        self.visit = visit
        self.number = number
        self.fields = fields
        self.body = b""
        self.is_whole = asyncio.Event()
        self.reset_code: int | None = None
        self.is_reset = asyncio.Event()

    def head(self, status: int = 200, *, ends: bool = False, **fields: str) -> None:
        lines = [(b":status", b"%d" % status), *((name.encode(), value.encode()) for name, value in fields.items())]
        self.visit.h2.send_headers(self.number, lines, end_stream=ends)
        self.visit.flush()

    async def say(self, data: bytes, *, ends: bool = False) -> None:
        """Sends as the client's windows allow."""
        while data:
            while not (room := self.visit.h2.local_flow_control_window(self.number)):
                self.visit.has_room.clear()
                await self.visit.has_room.wait()
            piece = data[: min(room, self.visit.h2.max_outbound_frame_size)]
            data = data[len(piece) :]
            self.visit.h2.send_data(self.number, piece, end_stream=ends and not data)
            self.visit.flush()

    def reset(self, code: int) -> None:
        self.visit.h2.reset_stream(self.number, code)
        self.visit.flush()


class Visit:
    """The server's end of one connection."""

    def __init__(self, server: "Server", writer: asyncio.StreamWriter) -> None:
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding=None))
        self.has_room = asyncio.Event()
        self.streams: dict[int, Asked] = {}
        self.is_over = asyncio.Event()
        self._server = server
        self._writer = writer

    def flush(self) -> None:
        self.raw(self.h2.data_to_send())

    def raw(self, data: bytes) -> None:
        """Bytes as they are, valid or not."""
        if not self._writer.is_closing():
            self._writer.write(data)

    def say_goaway(self, last: int) -> None:
        """Beside h2, which would take the connection for closed."""
        self.raw(GoAwayFrame(0, last_stream_id=last).serialize())

    def close(self) -> None:
        self._writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader) -> None:
        self.h2.local_settings = Settings(client=False, initial_values=self._server.settings)
        self.h2.initiate_connection()
        self.flush()
        with suppress(ConnectionError, H2Error):
            while data := await reader.read(1 << 16):
                for event in self.h2.receive_data(data):
                    self._hear(event)
                self.flush()
        self.is_over.set()

    def _hear(self, event) -> None:
        if isinstance(event, RequestReceived):
            asked = self.streams[event.stream_id] = Asked(self, event.stream_id, dict(event.headers))
            self._server.asked.append(asked)
            self._server.spawn(self._server.script(asked))
        elif isinstance(event, DataReceived):
            self.streams[event.stream_id].body += event.data
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, StreamEnded):
            self.streams[event.stream_id].is_whole.set()
        elif isinstance(event, StreamReset):
            self.streams[event.stream_id].reset_code = event.error_code
            self.streams[event.stream_id].is_reset.set()
        elif isinstance(event, WindowUpdated):
            self.has_room.set()


Script = Callable[[Asked], Awaitable[None]]


class Server:
    """Runs `script` for each request; `settings` are what it says at each connection's begin."""

    def __init__(self, script: Script, **settings: int) -> None:
        self.script = script
        self.settings = {SettingCodes.MAX_CONCURRENT_STREAMS: 100}
        self.settings |= {SettingCodes[name.upper()]: value for name, value in settings.items()}
        self.visits: list[Visit] = []
        self.asked: list[Asked] = []
        self.failures: list[BaseException] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, script: Awaitable[None]) -> None:
        task = asyncio.ensure_future(script)
        self._tasks.add(task)
        task.add_done_callback(self._note)

    async def until_asked(self, number: int) -> Asked:
        """The request of that number, once it is there."""
        async with asyncio.timeout(5):
            while len(self.asked) < number:
                await asyncio.sleep(0.002)
        return self.asked[number - 1]

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(asyncio.current_task())
        visit = Visit(self, writer)
        self.visits.append(visit)
        try:
            await visit.serve(reader)
        finally:
            writer.transport.abort()
            self._tasks.discard(asyncio.current_task())

    def _note(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.failures.append(task.exception())

    async def end(self) -> None:
        """Nothing runs on; a script that failed on its own is the test's failure."""
        async with asyncio.timeout(5):
            await asyncio.gather(*(visit.is_over.wait() for visit in self.visits))
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        assert [each for each in self.failures if not isinstance(each, H2Error)] == []


async def echo(asked: Asked) -> None:
    """Answers with what it was sent."""
    await asked.is_whole.wait()
    asked.head(**{"content-type": "application/json"})
    await asked.say(asked.body, ends=True)


async def ask(upstream: Upstream, body: bytes = b"{}") -> tuple[int, bytes]:
    """A whole exchange."""
    async with asyncio.timeout(10), upstream.post("/chat", body, {"authorization": "Bearer k"}) as answer:
        return answer.status, await answer.read(1 << 26)
