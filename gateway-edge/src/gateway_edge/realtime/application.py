"""What is spoken at `/v1/realtime`: one call for each socket."""

import asyncio
from urllib.parse import urlencode

from chassis.errors import RunestoneError
from gateway_edge.endpoints.voice import Voice
from gateway_edge.messages.calls import MessageCalls
from gateway_edge.messages.message import WEBSOCKET, Message
from gateway_edge.realtime.codes import LOST, PATH
from gateway_edge.realtime.line import Line
from gateway_edge.websocket.application import Application, Socket

LONGEST = 3600.0  # seconds: OpenAI's own bound


class Realtime:
    """Opens a session for each socket. `running` are those whose sockets may be closed already; they end by themselves."""

    def __init__(self, calls: MessageCalls) -> None:
        self._calls = calls
        self.running: set[asyncio.Task[None]] = set()

    def open(self, socket: Socket) -> Application:
        """Begins a session."""
        line = Line(socket)
        task = asyncio.create_task(self._run(socket, line))
        self.running.add(task)
        task.add_done_callback(self.running.discard)
        return RealtimeApplication(line, task)

    async def _run(self, socket: Socket, line: Line) -> None:
        message = Message(
            session=socket.session,
            front=WEBSOCKET,
            method="GET",
            path=PATH,
            query=urlencode(dict(socket.parameters)),
            headers=socket.headers,
            dialogue=line,
            longest=LONGEST,
        )

        def take_line(_call_id: str, _voice: Voice) -> Line:
            return line

        try:
            await self._calls.run(message, take_line)
        except ConnectionError:
            return  # the client is gone
        except RunestoneError as error:  # before there was a call
            await line.fail(error)

    def __repr__(self) -> str:
        return f"Realtime({len(self.running)})"


class RealtimeApplication:
    """One socket's end of it."""

    def __init__(self, line: Line, task: asyncio.Task[None]) -> None:
        self._line = line
        self._task = task

    def received(self, message: str | bytes) -> None:
        """Something for the provider."""
        self._line.hear(message)

    def drain(self) -> bool | None:
        """A session cannot go on elsewhere: its client opens another."""
        return None

    def closed(self, code: int, reason: str) -> None:
        """A client that closes is waited for by nobody, but its provider is told; one that is lost takes everything along."""
        if code == LOST:
            self._task.cancel()
        else:
            self._line.hang_up(code, reason)
