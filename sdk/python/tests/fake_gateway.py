"""A gateway that speaks Phoenix' channels as a test wants it to: it counts instead of asking models."""

import asyncio
import itertools
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response


@dataclass
class Count:
    """A stream of numbers: `events` of them have been said, up to `size`."""

    id: str
    size: int
    said: int = 0
    readers: list[Callable[[int], None]] = field(default_factory=list)


class FakeGateway:
    """Open inside `async with`. `refusals` are statuses that the next handshakes are answered with; `silent` are events that are not answered, a
    join, a push or a heartbeat. What was pushed stands in `heard`."""

    def __init__(self) -> None:
        self.refusals: list[int] = []
        self.moved_to = ""
        self.join_refusals: list[dict[str, Any]] = []
        self.resume_refusals: list[dict[str, Any]] = []
        self.silent: set[str] = set()
        self.heard: list[tuple[str, str, Any]] = []
        self.keys: list[str | None] = []
        self.counts: dict[str, Count] = {}
        self.connections: list[ServerConnection] = []
        self.seated: dict[ServerConnection, dict[str, str | None]] = {}
        self._server: Server

    async def __aenter__(self) -> Self:
        self._server = await serve(self._serve, "127.0.0.1", 0, process_request=self._admit, ping_interval=None)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        self.cut()
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def cut(self) -> None:
        """As a network does."""
        for connection in self.connections:
            connection.transport.abort()

    async def close(self, code: int) -> None:
        for connection in list(self.connections):
            await connection.close(code)

    def events(self, name: str) -> list[Any]:
        return [payload for _, event, payload in self.heard if event == name]

    def begin(self, size: int) -> Count:
        count = Count(f"s{len(self.counts)}", size)
        self.counts[count.id] = count
        return count

    def say(self, *numbers: int, to: Iterable[Count] | None = None) -> None:
        """Each stream says so many more."""
        counts = list(self.counts.values()) if to is None else list(to)
        for count, number in zip(counts, itertools.cycle(numbers), strict=False):
            for _ in range(number):
                if count.said < count.size:
                    count.said += 1
                    for tell in list(count.readers):
                        tell(count.said)

    def push(self, topic: str, event: str, payload: Any) -> None:
        """To all that joined the topic."""
        for connection, seats in self.seated.items():
            if topic in seats:
                self._send(connection, [seats[topic], None, topic, event, payload])

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        self.keys.append(request.headers.get("authorization"))
        if not self.refusals:
            return None
        status = self.refusals.pop(0)
        body = json.dumps({"error": {"message": "no", "type": "t", "param": None, "code": "c"}})
        answer = connection.respond(HTTPStatus(status), body)
        answer.headers["retry-after-ms"] = "20"
        if self.moved_to:
            answer.headers["location"] = self.moved_to
        return answer

    async def _serve(self, connection: ServerConnection) -> None:
        self.connections.append(connection)
        seats: dict[str, str | None] = {}
        self.seated[connection] = seats
        try:
            async for message in connection:
                self._take(connection, seats, *json.loads(message))
        except ConnectionClosed:
            pass
        finally:
            self.connections.remove(connection)
            del self.seated[connection]

    def _take(
        self, connection: ServerConnection, seats: Any, join_ref: Any, ref: str, topic: str, event: str, payload: Any
    ) -> None:
        self.heard.append((topic, event, payload))
        if event in self.silent:
            return

        def answer(status: str, response: Any) -> None:
            self._send(connection, [join_ref, ref, topic, "phx_reply", {"status": status, "response": response}])

        if event == "phx_join" and self.join_refusals:
            answer("error", self.join_refusals.pop(0))
        elif event == "phx_join":
            seats[topic] = join_ref
            answer("ok", {"key": "me", "ref": "r", "position": 0, "history": []})
            for stream_id, after in payload.get("resume", {}).items():
                self._resume(connection, join_ref, topic, stream_id, after)
        elif event == "chat:stream":
            count = self.begin(payload["request"]["size"])
            answer("ok", {"stream_id": count.id})
            self._follow(connection, join_ref, topic, count)
        elif event == "stream:control" and payload["action"] == "cancel":
            answer("ok", {"stream_id": payload["stream_id"]})
            self._send(connection, [join_ref, None, topic, "stream:cancelled", {"stream_id": payload["stream_id"]}])
        else:
            answer("error" if event == "refuse" else "ok", payload)
            if event == "phx_leave":
                seats.pop(topic, None)

    def _resume(self, connection: ServerConnection, join_ref: Any, topic: str, stream_id: str, after: int) -> None:
        if self.resume_refusals:
            refusal = {"stream_id": stream_id, **self.resume_refusals.pop(0)}
            self._send(connection, [join_ref, None, topic, "stream:error", refusal])
        else:
            self._follow(connection, join_ref, topic, self.counts[stream_id], after)

    def _follow(self, connection: ServerConnection, join_ref: Any, topic: str, count: Count, after: int = 0) -> None:
        def tell(seq: int) -> None:
            chunk = {"stream_id": count.id, "seq": seq, "chunk": {"choices": [{"delta": {"content": f"{seq} "}}]}}
            self._send(connection, [join_ref, None, topic, "stream:chunk", chunk])
            if seq == count.size:
                end = {
                    "stream_id": count.id,
                    "seq": seq,
                    "usage": {"output_tokens": seq},
                    "cost": 0.5,
                    "finish_reason": "stop",
                }
                self._send(connection, [join_ref, None, topic, "stream:complete", end])

        for seq in range(after + 1, count.said + 1):
            tell(seq)
        if after >= count.size:
            end = {
                "stream_id": count.id,
                "seq": after,
                "usage": {"output_tokens": after},
                "cost": 0.5,
                "finish_reason": "stop",
            }
            self._send(connection, [join_ref, None, topic, "stream:complete", end])
        count.readers.append(tell)

    @staticmethod
    def _send(connection: ServerConnection, message: list[Any]) -> None:
        """At once, as frames of the library go: nothing waits between what a test does and what a client may hear."""
        if connection.transport.is_closing() or connection.protocol.state.name != "OPEN":
            return
        connection.protocol.send_text(json.dumps(message).encode())
        connection.send_data()


async def until(holds: Callable[[], Any], patience: float = 10.0) -> None:
    """Waits until something holds."""
    async with asyncio.timeout(patience):
        while not holds():
            await asyncio.sleep(0.002)
