"""A stage on which official SDKs ask makers for answers that go wrong: what each of them sees, and what the mesh wrote down."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import anthropic
import httpx2
import openai
from fake_provider import FakeProvider
from fake_provider.exchange import Exchange
from makers import Cell
from real_mesh import ACME, Mesh
from sdk_clients import CLIENTS, SdkClient

from runestone.audit.v1.audit_pb2 import AuditRecord

# What only a whole stream ends with.
ENDS = (b"data: [DONE]", b"message_stop", b'"response.completed"', b'"response.incomplete"')
SHAPES = ({"message", "type", "param", "code"}, {"message", "type"})
EVENT_SHAPE = {"type", "code", "message", "param", "sequence_number"}
PATIENCE = 10.0


@dataclass(frozen=True)
class Seen:
    """One call's end: the SDK's exception ("" for none), the answer's status, the error's type and words (or the answer's text), the
    hint when to come back; whether the bytes looked whole; how often the maker was asked; what the record says: its status, and
    whether usage was counted, estimated or none."""

    raised: str
    status: int
    kind: str
    words: str
    hint: str
    looks_whole: bool
    asked: int
    recorded: int
    usage: str


@dataclass
class Wire:
    """An answer's bytes and headers as they came, before any SDK read them."""

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait_for(self, size: int) -> None:
        """Returns when `size` bytes of the body are there."""
        async with asyncio.timeout(PATIENCE):
            while len(self.body) < size:
                self.moved.clear()
                await self.moved.wait()


class _Tee(httpx2.AsyncByteStream):
    def __init__(self, inner: Any, wire: Wire) -> None:
        self._inner = inner
        self._wire = wire

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for block in self._inner:
            self._wire.body += block
            self._wire.moved.set()
            yield block

    async def aclose(self) -> None:
        await self._inner.aclose()


_wire: ContextVar[Wire] = ContextVar("wire")


async def _note(response: Any) -> None:
    wire = _wire.get()
    wire.status, wire.headers = response.status_code, response.headers
    response.stream = _Tee(response.stream, wire)


class Stage:
    """Plays calls, any number at a time. Models' names are made up, so that each call's part at the maker and in the records is known."""

    def __init__(self, mesh: Mesh, fake: FakeProvider, clients: Mapping[str, SdkClient]) -> None:
        self.mesh = mesh
        self.fake = fake
        self._clients = clients
        self._numbers = count(1)

    def name(self, cell: Cell, wish: str, suffix: str = "") -> str:
        """A model that nobody else asks."""
        return f"{cell.maker}{suffix}/cell{next(self._numbers)},{wish}"

    def start(self, cell: Cell, model: str, wire: Wire, headers: Mapping[str, str] = {}) -> "asyncio.Task[Any]":
        """The call as a task, whose answer's bytes go to `wire` too."""
        client = self._clients[cell.client]
        members = client.begin(model, "text") | ({"extra_headers": dict(headers)} if headers else {})

        async def ask() -> Any:
            _wire.set(wire)
            return await client.ask(members, stream=cell.stream)

        return asyncio.create_task(ask())

    async def play(self, cell: Cell, model: str, headers: Mapping[str, str] = {}) -> Seen:
        """The call to its end."""
        wire = Wire()
        try:
            got = await self.start(cell, model, wire, headers)
        except (openai.OpenAIError, anthropic.AnthropicError, RuntimeError) as error:
            kind, words = _read_error(error, wire)
            raised = type(error).__name__
        else:
            kind, words, raised = "", got.text, ""
        (record,) = await self.records([model])
        return Seen(
            raised=raised,
            status=wire.status,
            kind=kind,
            words=words,
            hint=wire.headers.get("retry-after-ms", ""),
            looks_whole=any(end in wire.body for end in ENDS),
            asked=len(self.exchanges(model)),
            recorded=record.status,
            usage=usage_of(record),
        )

    def exchanges(self, model: str) -> list[Exchange]:
        """What the maker was asked under this name."""
        return [exchange for exchange in self.fake.exchanges if exchange.model == model.partition("/")[2]]

    async def exchange(self, model: str) -> Exchange:
        """The one that will come."""
        async with asyncio.timeout(PATIENCE):
            while not self.exchanges(model):
                await asyncio.sleep(0.005)
        (exchange,) = self.exchanges(model)
        return exchange

    async def records(self, models: Iterable[str]) -> list[AuditRecord]:
        """The one record of each."""
        found = []
        async with asyncio.timeout(PATIENCE):
            for model in models:
                while not (records := await asyncio.to_thread(self.mesh.audit_records, model=model)):
                    await asyncio.sleep(0.02)
                assert len(records) == 1, records
                found += records
        return found


@asynccontextmanager
async def staging(mesh: Mesh) -> AsyncIterator[Stage]:
    """A stage with a fake provider behind all makers."""
    clients = {name: make(mesh.url, ACME) for name, make in CLIENTS.items()}
    for client in clients.values():
        client.watch(_note)
    try:
        async with FakeProvider(mesh.fake_port) as fake:
            yield Stage(mesh, fake, clients)
    finally:
        for client in clients.values():
            await client.close()


def usage_of(record: AuditRecord) -> str:
    """Whether it was counted, estimated, or none."""
    if not record.HasField("usage"):
        assert not record.HasField("cost")
        return "none"
    assert record.cost.is_estimated == record.usage.is_estimated
    return "estimated" if record.usage.is_estimated else "counted"


def _read_error(error: Exception, wire: Wire) -> tuple[str, str]:
    """Type and words of what an SDK raised, whose shape must be its maker's."""
    if isinstance(
        error, RuntimeError
    ):  # what `responses.stream()` raises where the end is missing: the event before says why
        event = json.loads(wire.body.rpartition(b"data: ")[2])
        assert set(event) == EVENT_SHAPE, event
        return event["type"], event["message"]
    body: Any = error.body  # type: ignore[attr-defined]
    if isinstance(error, anthropic.APIError):
        assert body["type"] == "error" and body["request_id"] == error.request_id, body  # type: ignore[attr-defined]
        body = body["error"]
    assert set(body) in SHAPES, body
    assert "<" not in body["message"] and "upstream-secret" not in body["message"]
    return body["type"], body["message"]
