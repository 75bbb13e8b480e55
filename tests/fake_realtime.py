"""A provider of realtime sessions on loopback, which does what a session's model name says."""

import asyncio
import json
from collections import deque
from http import HTTPStatus
from typing import Self
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

BLOCK = json.dumps({"type": "response.output_audio.delta", "delta": "x" * 60_000})
USAGE = {"input_tokens": 10, "output_tokens": 20, "input_token_details": {"cached_tokens": 4}}


class Visit:
    """One session, as the provider saw it."""

    def __init__(self, connection: ServerConnection) -> None:
        request = connection.request
        assert request is not None
        self.headers = {name.lower(): value for name, value in request.headers.raw_items()}
        self.model = parse_qs(urlsplit(request.path).query)["model"][0]
        self.subprotocols = request.headers.get("sec-websocket-protocol", "")
        self.said: list[str | bytes] = []
        self.sent = 0
        self.closed = asyncio.Event()
        self.code: int | None = None
        self.reason: str | None = None


class FakeRealtime:
    """Sessions at `port`. Models: `echo` repeats what is said, with usage for each `response.create`; `status=N` refuses the handshake;
    `early=N` closes with N before a session begins; `late=N` behind the first thing that is said; `vanish` breaks off; `flood` sends as fast
    as it is read; `deaf` does not read; `redirect` sends elsewhere."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.visits: deque[Visit] = deque()
        self.refused = 0

    async def __aenter__(self) -> Self:
        self._ending = asyncio.Event()
        self._server = await serve(
            self._serve, "127.0.0.1", self.port, process_request=self._refuse, compression=None, max_queue=2
        )
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._ending.set()
        for connection in list(self._server.connections):
            connection.transport.abort()
        self._server.close()
        await self._server.wait_closed()

    async def visit(self, number: int = 1) -> Visit:
        """The n-th session, waited for."""
        async with asyncio.timeout(10):
            while len(self.visits) < number:
                await asyncio.sleep(0.01)
        return self.visits[number - 1]

    def _refuse(self, connection: ServerConnection, request: Request) -> Response | None:
        model = parse_qs(urlsplit(request.path).query).get("model", [""])[0]
        if model == "redirect":
            response = connection.respond(HTTPStatus.FOUND, "")
            response.headers["Location"] = f"ws://127.0.0.1:{self.port}/v1/realtime?model=echo"
            return response
        if not model.startswith("status="):
            return None
        self.refused += 1
        status = int(model.removeprefix("status="))
        response = connection.respond(
            HTTPStatus(status), json.dumps({"error": {"message": f"no {status}", "type": "x"}})
        )
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            response.headers["retry-after"] = "3"
        return response

    async def _serve(self, connection: ServerConnection) -> None:
        visit = Visit(connection)
        self.visits.append(visit)
        try:
            await self._play(connection, visit)
        except ConnectionClosed:
            pass
        finally:
            await connection.wait_closed()
            visit.code, visit.reason = connection.close_code, connection.close_reason
            visit.closed.set()

    async def _play(self, connection: ServerConnection, visit: Visit) -> None:
        name, _, value = visit.model.partition("=")
        if name == "early":
            await connection.close(int(value), "not today")
            return
        await connection.send(json.dumps({"type": "session.created", "session": {"model": visit.model}}))
        if name == "deaf":
            connection.transport.pause_reading()
            await self._ending.wait()
        if name == "flood":
            while True:
                await connection.send(BLOCK)
                visit.sent += 1
        async for message in connection:
            visit.said.append(message)
            if name == "late":
                await connection.close(int(value), "enough")
                return
            if name == "vanish":
                connection.transport.abort()
                return
            await connection.send(message)
            if isinstance(message, str) and json.loads(message)["type"] == "response.create":
                done = {"type": "response.done", "response": {"id": "r", "usage": USAGE}}
                await connection.send(json.dumps(done))
