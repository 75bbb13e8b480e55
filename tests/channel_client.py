"""A small client of Phoenix Channels V2 for tests: what is sent and what comes, as it is."""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import websockets
from websockets.asyncio.client import ClientConnection

PATIENCE = 20.0


class RefusedError(Exception):
    """A reply with status `error`; `response` says why."""

    def __init__(self, response: dict[str, Any]) -> None:
        super().__init__(json.dumps(response))
        self.response = response


class ChannelClient:
    """One connection. Every frame that comes is kept in `frames`; what is waited for is waited for `PATIENCE` seconds, and
    raises ConnectionResetError when the connection is gone."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.frames: list[list[Any]] = []
        self.binary: list[bytes] = []
        self._ref = 0
        self._joins: dict[str, str] = {}
        self._news = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    async def join(self, topic: str = "session:a", **payload: Any) -> Any:
        self._joins[topic] = str(self._ref + 1)
        return await self.push(topic, "phx_join", payload)

    async def push(self, topic: str, event: str, payload: Any) -> Any:
        """The response; raises RefusedError."""
        return await self.answer(await self.send(topic, event, payload))

    async def send(self, topic: str, event: str, payload: Any) -> str:
        self._ref += 1
        await self.socket.send(json.dumps([self._joins.get(topic), str(self._ref), topic, event, payload]))
        return str(self._ref)

    async def answer(self, ref: str) -> Any:
        (found,) = await self.wait(lambda: [f[4] for f in self.frames if f[1] == ref and f[3] == "phx_reply"])
        if found["status"] != "ok":
            raise RefusedError(found["response"])
        return found["response"]

    def events(self, *names: str) -> list[Any]:
        return [frame[4] for frame in self.frames if frame[3] in names]

    async def event(self, *names: str, count: int = 1) -> Any:
        """The first `count` payloads of the events, the only one of one."""
        found = await self.wait(lambda: self.events(*names), count)
        return found[0] if count == 1 else found

    async def wait(self, look: Any, count: int = 1) -> list[Any]:
        async with asyncio.timeout(PATIENCE):
            while len(found := look()) < count:
                if self._reading.done():
                    raise ConnectionResetError(f"closed: {self.socket.close_code} {self.socket.close_reason}")
                self._news.clear()
                await self._news.wait()
        return found

    async def close(self) -> None:
        await self.socket.close()
        await self._reading

    async def _read(self) -> None:
        try:
            async for message in self.socket:
                if isinstance(message, bytes):
                    self.binary.append(message)
                else:
                    self.frames.append(json.loads(message))
                self._news.set()
        except websockets.ConnectionClosed:
            return
        finally:
            self._news.set()


class Followed:
    """The streams that a client follows, and checks: no number is left out, none comes twice."""

    def __init__(self) -> None:
        self.last: dict[str, int] = defaultdict(int)
        self.chunks: dict[str, list[Any]] = defaultdict(list)

    def take(self, payload: dict[str, Any]) -> None:
        stream_id = payload["stream_id"]
        first = payload.get("first_seq", payload["seq"])
        assert first == self.last[stream_id] + 1, f"{stream_id}: {first} behind {self.last[stream_id]}"
        self.last[stream_id] = payload["seq"]
        self.chunks[stream_id] += payload.get("chunks", [payload.get("chunk")])

    def text(self, stream_id: str) -> str:
        """What a chat's chunks say."""
        deltas = [chunk["choices"][0]["delta"] for chunk in self.chunks[stream_id] if chunk["choices"]]
        return "".join(delta.get("content") or "" for delta in deltas)


def follow(frames: list[list[Any]]) -> Followed:
    """What all chunks among `frames` come to."""
    followed = Followed()
    for frame in frames:
        if frame[3] == "stream:chunk":
            followed.take(frame[4])
    return followed


@asynccontextmanager
async def connected(port: int, key: str, **options: Any) -> AsyncIterator[ChannelClient]:
    address = f"ws://127.0.0.1:{port}/socket/websocket?vsn=2.0.0"
    headers = {"authorization": f"Bearer {key}"}
    async with websockets.connect(address, additional_headers=headers, max_size=None, **options) as socket:
        client = ChannelClient(socket)
        try:
            yield client
        finally:
            await client.close()
