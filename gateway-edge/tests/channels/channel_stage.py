"""A client of channels without a network: a socket that keeps what is sent, calls that answer what a test wants."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog

from chassis.config.schema import WebSocketDoor
from chassis.errors import Reason, RunestoneError
from chassis.testing import FakeClock
from gateway_edge.call import Outcome
from gateway_edge.callers.session import Session
from gateway_edge.callers.tenants import Principal
from gateway_edge.channels.channel import OpenTopic
from gateway_edge.channels.door import ChannelsDoor
from gateway_edge.channels.session_topic import SessionTopics
from gateway_edge.channels.streams import Asking
from gateway_edge.door.running import LastReply
from gateway_edge.endpoints.voices import OPENAI
from gateway_edge.messages.calls import MakeReply
from gateway_edge.messages.message import Message

PATIENCE = 5.0
Script = Callable[[LastReply, Outcome], Awaitable[None]]


class FakeSocket:
    """What `Socket` promises, and what was sent through it. `drained` is clear while the client does not read."""

    def __init__(self, tenant: str = "acme") -> None:
        self.session = Session(Principal(tenant=tenant, key="ci"), {}, "127.0.0.1", "v1")
        self.path = "/socket/websocket"
        self.parameters: Mapping[str, str] = {"vsn": "2.0.0"}
        self.headers: Mapping[str, str] = {}
        self.is_open = True
        self.buffered = 0
        self.sent: list[Any] = []
        self.binary: list[bytes] = []
        self.closed_with: tuple[int, str] | None = None
        self.drained = asyncio.Event()
        self.drained.set()

    def send(self, text: bytes) -> None:
        if self.is_open:
            self.sent.append(json.loads(text))

    def send_binary(self, data: bytes) -> None:
        if self.is_open:
            self.binary.append(data)

    def send_frame(self, frame: bytes) -> None:
        raise AssertionError("no test here frames")

    async def drain(self) -> None:
        await self.drained.wait()
        if not self.is_open:
            raise ConnectionResetError

    def pause_reading(self) -> None:
        raise AssertionError("nobody pauses")

    def resume_reading(self) -> None:
        raise AssertionError("nobody pauses")

    def close(self, code: int, reason: str = "") -> None:
        self.is_open = False
        self.closed_with = (code, reason)


@dataclass
class _Running:
    task: "asyncio.Task[Any]"
    ending: RunestoneError | None = None


class FakeCalls:
    """Answers every message by `script`, as `MessageCalls` would. `seen` are the messages, `ended` how their tasks did."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.seen: list[Message] = []
        self.ended: list[str] = []
        self.running: dict[str, _Running] = {}

    def end(self, call_id: str, error: RunestoneError) -> None:
        """Ends a call, as `RunningCalls.end_where` would."""
        self.running[call_id].ending = error
        self.running[call_id].task.cancel()

    async def run(self, message: Message, make_reply: MakeReply) -> Outcome:
        self.seen.append(message)
        reply = make_reply(f"req_{len(self.seen)}", OPENAI)
        outcome = Outcome()
        running = self.running[f"req_{len(self.seen)}"] = _Running(asyncio.current_task())
        try:
            await self.script(reply, outcome)
        except (RunestoneError, asyncio.CancelledError) as error:
            if running.ending is None and isinstance(error, asyncio.CancelledError):
                self.ended.append("CancelledError")
                raise
            outcome.error = running.ending or error
            await reply.fail(outcome.error)
        except BaseException as error:
            self.ended.append(type(error).__name__)
            raise
        self.ended.append("failed" if outcome.error else "whole")
        return outcome


class FakeControl:
    """Notes what is asked; knows the streams in `known`."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, int]] = []
        self.known: set[str] = set()
        self.error: RunestoneError | None = None

    async def control(self, tenant: str, stream_id: str, action: int, *, pause_window: float) -> object:
        self.asked.append((tenant, stream_id, action))
        if self.error:
            raise self.error
        if stream_id not in self.known:
            raise RunestoneError(Reason.NOT_FOUND, "no such stream")
        return None


class Stage:
    """One connection, and how a client uses it."""

    def __init__(
        self, script: Script | None = None, kinds: Mapping[str, OpenTopic] | None = None, **bounds: Any
    ) -> None:
        self.clock = FakeClock()
        self.socket = FakeSocket()
        self.calls = FakeCalls(script or answer_nothing)
        self.control = FakeControl()
        self.log: list[dict[str, Any]] = []
        self.background: set[asyncio.Task[None]] = set()
        door = WebSocketDoor(**bounds)
        logger = structlog.wrap_logger(None, processors=[self._keep])
        asking = Asking(
            calls=self.calls, control=self.control, end=self.calls.end, door=lambda: door, spawn=self._spawn, log=logger
        )
        opened = ChannelsDoor(kinds or {"session": SessionTopics(asking)}, lambda: door, clock=self.clock, log=logger)
        self.connection = opened.open(self.socket)

    def say(self, *frame: Any) -> None:
        self.connection.received(json.dumps(frame))

    async def join(self, topic: str = "session:a", payload: Any = None, ref: str = "1") -> Any:
        """The reply to a join."""
        self.say(ref, ref, topic, "phx_join", payload or {})
        return await self.reply(ref)

    async def push(self, event: str, payload: Any, ref: str, topic: str = "session:a", join_ref: str = "1") -> Any:
        """The reply to a message."""
        self.say(join_ref, ref, topic, event, payload)
        return await self.reply(ref)

    async def reply(self, ref: str) -> Any:
        """The payload of the reply to `ref`."""
        (found,) = await self.wait(
            lambda: [frame[4] for frame in self.socket.sent if frame[1] == ref and frame[3] == "phx_reply"]
        )
        return found

    async def event(self, name: str, count: int = 1) -> list[Any]:
        """The payloads of the events `name`, once there are `count`."""
        return await self.wait(lambda: self.events(name), count)

    def events(self, name: str) -> list[Any]:
        return [frame[4] for frame in self.socket.sent if frame[3] == name]

    async def wait(self, look: Callable[[], list[Any]], count: int = 1) -> list[Any]:
        async with asyncio.timeout(PATIENCE):
            while len(found := look()) < count:
                await asyncio.sleep(0)
        return found

    def lose(self) -> None:
        """The connection breaks off."""
        self.socket.is_open = False
        self.connection.closed(1006, "")

    def _spawn(self, work: Any, name: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self.background.add(task)
        task.add_done_callback(self.background.discard)

    def _keep(self, _logger: object, _method: str, event: Any) -> Any:
        self.log.append(dict(event))
        raise structlog.DropEvent


async def answer_nothing(_reply: LastReply, _outcome: Outcome) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(asyncio.Event().wait(), PATIENCE)
