"""A connection to a gateway that keeps itself open, and the topics on it."""

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Mapping
from typing import Any, Self, TypeVar

from runestone_client.closing import Closing
from runestone_client.dialing import Dial, Given, WebSocketDial
from runestone_client.errors import ClosedError, ConnectionLostError, ReplyTimeoutError, RunestoneError
from runestone_client.frames import Frame
from runestone_client.joining import Joining
from runestone_client.line import Line, LineState
from runestone_client.pushes import Quota
from runestone_client.room import Room
from runestone_client.settings import Settings
from runestone_client.topic import Session, Topic

AnyTopic = TypeVar("AnyTopic", bound=Topic)


def connect(
    url: Given[str],
    api_key: Given[str] = "",
    *,
    settings: Settings | None = None,
    on_state: Callable[[LineState], None] | None = None,
) -> "Client":
    """A client of the gateway at `url`, to be opened with `async with`: `http://127.0.0.1:4003` is enough. `url` and `api_key` may be functions,
    also async ones, which are asked anew for each connection. `on_state` is told when the connection comes and goes."""
    settings = settings or Settings()
    return Client(WebSocketDial(url, api_key, settings), settings, on_state)


class Client(Closing):
    """Opened by `async with`, which waits for the first connection and raises why there is none. A connection that is lost comes back by itself,
    with what was joined; when it does not for `max_downtime`, or may not (a refused key, 1008), everything ends with the reason."""

    def __init__(self, dial: Dial, settings: Settings, on_state: Callable[[LineState], None] | None = None) -> None:
        self._dial, self._settings, self._on_state = dial, settings, on_state
        self._quota = Quota(settings.max_queue, settings.max_queue_bytes)
        self._topics: dict[str, Topic] = {}
        self._line = Line(dial, self, settings, on_state or (lambda _state: None))
        self._running: asyncio.Task[None] | None = None
        self._is_there = asyncio.Event()
        self._error: RunestoneError | None = None

    @property
    def state(self) -> LineState:
        """`connecting` (also: again), `connected` or `closed`."""
        return self._line.state

    def session(self, name: str | None = None) -> Joining[Session]:
        """A topic of one's own: `async with client.session() as session`, or await it and `leave` later."""
        name = name or secrets.token_hex(8)
        return Joining(
            self, f"session:{name}", lambda: Session(f"session:{name}", self._line, self._quota, self._settings)
        )

    def room(
        self,
        name: str,
        *,
        key: str | None = None,
        meta: Mapping[str, Any] | None = None,
        history: int | None = None,
    ) -> Joining[Room]:
        """A room: `key` is whom one is there as (default: the API key's name), `meta` what the others are to know, `history` how many of the last
        messages are wanted."""

        def make() -> Room:
            return Room(name, self._line, self._quota, self._settings, key=key, meta=meta, history=history)

        return Joining(self, f"room:{name}", make)

    async def __aenter__(self) -> Self:
        self._running = asyncio.create_task(self._line.run(), name="runestone client")
        try:
            async with asyncio.timeout(self._settings.open_timeout):
                await self._is_there.wait()
        except TimeoutError:
            await self.aclose()
            problem = self._line.problem
            raise ReplyTimeoutError(f"no connection in {self._settings.open_timeout} s: {problem}") from problem
        except BaseException:
            await self.aclose()
            raise
        if self._error is not None:
            await self.aclose()
            raise self._error
        return self

    async def aclose(self) -> None:
        """Closes the connection in order. What was not left goes on without its reader for the gateway's `resume_window`."""
        if self._running is not None:
            self._running.cancel()
            with contextlib.suppress(asyncio.CancelledError, RunestoneError):
                await self._running

    async def join(self, name: str, make: Callable[[], AnyTopic]) -> AnyTopic:
        """Joins a topic. Raises ClosedError where it is joined, or the client closed; and why it may not be."""
        if self._error is not None:
            raise ClosedError(f"the client is closed: {self._error}") from self._error
        self._topics = {name: topic for name, topic in self._topics.items() if not topic.channel.is_done}
        if name in self._topics:
            raise ClosedError(f"{name} is joined here already")
        topic = self._topics[name] = make()
        try:
            if self.state == "connected":
                topic.channel.connected()
            await topic.channel.wait_until_joined()
        except BaseException:
            await self.part(name, topic)
            raise
        return topic

    async def part(self, name: str, topic: Topic) -> None:
        """Leaves it. Harmless where it was left."""
        try:
            await topic.leave()
        finally:
            if self._topics.get(name) is topic:
                del self._topics[name]

    # What the line tells.

    def connected(self) -> None:
        """Everything is joined anew."""
        self._is_there.set()
        for topic in list(self._topics.values()):
            topic.channel.connected()

    def received(self, frame: Frame) -> None:
        """Of a topic that was left, nothing matters."""
        if (topic := self._topics.get(frame.topic)) is not None:
            topic.channel.receive(frame)

    def is_waiting(self) -> bool:
        """Whether anybody waits for a reply that can come."""
        return any(topic.channel.is_waiting for topic in self._topics.values())

    def lost(self, error: ConnectionLostError) -> None:
        """It comes back."""
        for topic in self._topics.values():
            topic.channel.lost(error)

    def ended(self, error: RunestoneError) -> None:
        """It does not."""
        self._error = error
        self._is_there.set()
        for topic in list(self._topics.values()):
            topic.channel.ended(error)

    def __repr__(self) -> str:
        return f"Client({self.state}, {len(self._topics)} topics, {self._quota.count} messages waiting)"
