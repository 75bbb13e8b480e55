"""A member of a room over a real connection, as a small client would be."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
from phoenix_presence import refs_of, sync_diff, sync_state
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

PATIENCE = 20.0


class RoomMember:
    """Collects what it is told in the order in which it came. `closed` is the close code, once there is one."""

    def __init__(self, socket: ClientConnection, topic: str) -> None:
        self.topic = topic
        self.told: list[tuple[str, Any]] = []
        self.closed: int | None = None
        self.joined: Any = None
        self.presence: dict[str, Any] = {}
        self._socket = socket
        self._refs = itertools.count(1)
        self._join_ref = ""
        self._replies: dict[str, asyncio.Future[Any]] = {}
        self._news = asyncio.Event()

    async def join(self, **payload: Any) -> Any:
        """The response of the reply. Raises AssertionError when it was refused."""
        status, self.joined = await self.try_join(**payload)
        assert status == "ok", self.joined
        return self.joined

    async def try_join(self, **payload: Any) -> tuple[str, Any]:
        """Status and response of the reply."""
        self._join_ref = str(next(self._refs))
        return await self._ask(self._join_ref, "phx_join", payload)

    async def push(self, event: str, payload: Any) -> tuple[str, Any]:
        """Status and response of the reply."""
        return await self._ask(str(next(self._refs)), event, payload)

    async def ask(self, event: str, payload: Any) -> Any:
        """The response of a reply that is ok."""
        status, response = await self.push(event, payload)
        assert status == "ok", response
        return response

    def events(self, name: str) -> list[Any]:
        """The payloads of one event."""
        return [payload for event, payload in self.told if event == name]

    def seqs(self, stream_id: str) -> list[int]:
        """The numbers of the chunks that came, and of what they stand for."""
        chunks = [chunk for chunk in self.events("stream:chunk") if chunk["stream_id"] == stream_id]
        return [n for chunk in chunks for n in range(chunk.get("first_seq", chunk["seq"]), chunk["seq"] + 1)]

    def text(self, stream_id: str) -> str:
        """What a chat model said."""
        chunks = [chunk["chunk"] for chunk in self.events("stream:chunk") if chunk["stream_id"] == stream_id]
        return "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])

    @property
    def keys(self) -> set[str]:
        """Who is there."""
        return set(refs_of(self.presence))

    async def until(self, holds: Any, patience: float = PATIENCE) -> Any:
        """Waits until something holds, looking whenever something came."""
        async with asyncio.timeout(patience):
            while not (found := holds()):
                self._news.clear()
                await self._news.wait()
        return found

    async def read(self) -> None:
        """Takes what comes, until the connection is closed."""
        try:
            async for message in self._socket:
                self._take(*orjson.loads(message))
        except ConnectionClosed:
            pass
        self.closed = self._socket.close_code
        self._news.set()
        for reply in self._replies.values():
            reply.cancel()

    def _take(self, _join_ref: str | None, ref: str | None, topic: str, event: str, payload: Any) -> None:
        if event == "phx_reply":
            if (reply := self._replies.pop(ref or "", None)) is not None and not reply.done():
                reply.set_result(payload)
        elif topic == self.topic:
            self.told.append((event, payload))
            if event == "presence_state":
                self.presence = sync_state(self.presence, payload)
            elif event == "presence_diff":
                self.presence = sync_diff(self.presence, payload)
        self._news.set()

    async def _ask(self, ref: str, event: str, payload: Any) -> tuple[str, Any]:
        reply = self._replies[ref] = asyncio.get_running_loop().create_future()
        await self._socket.send(orjson.dumps([self._join_ref, ref, self.topic, event, payload]).decode())
        async with asyncio.timeout(PATIENCE):
            answer = await reply
        return answer["status"], answer["response"]


@asynccontextmanager
async def room_member(port: int, secret: str, topic: str = "room:lobby", /, **join: Any) -> AsyncIterator[RoomMember]:
    """One who is connected, and has joined if there is something to join with."""
    address = f"ws://127.0.0.1:{port}/socket/websocket?vsn=2.0.0"
    headers = {"authorization": f"Bearer {secret}"}
    async with connect(address, additional_headers=headers, max_size=None, close_timeout=1) as socket:
        member = RoomMember(socket, topic)
        reading = asyncio.create_task(member.read())
        try:
            if join:
                await member.join(**join)
            yield member
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
