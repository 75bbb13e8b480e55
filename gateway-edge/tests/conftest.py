"""Fakes of everything outside the edge's middleware, and a call to send through them."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from chassis.config import Catalog, Settings
from chassis.config.schema import Model, Provider, Target
from chassis.context import NO_TRACE
from chassis.testing import FakeClock
from gateway_edge.body import decode_object, read_as
from gateway_edge.call import Arrival, Call, Question
from gateway_edge.chat import ChatRequest
from gateway_edge.stopwatch import Stopwatch
from gateway_edge.tenants import Principal, RequestLimit

QUESTION = b'{"model": "simulated", "messages": [{"role": "user", "content": "hi"}], "temperature": 0}'


@dataclass
class FakeReply:
    """Remembers what the client would have been sent."""

    headers: dict[str, str] = field(default_factory=dict)
    status: int = 0
    body: bytes = b""
    content_type: str = ""
    is_closed: bool = False
    bytes_sent: int = 0
    first_byte_at: float | None = None

    @property
    def has_begun(self) -> bool:
        return self.bytes_sent > 0

    async def send(self, body: bytes, content_type: str = "application/json", status: int = 200) -> None:
        self.status, self.content_type = status, content_type
        await self.write(body)

    async def write(self, events: bytes) -> None:
        self.body += events
        self.bytes_sent += len(events)

    def expect_events(self) -> None:
        self.headers["expects-events"] = "yes"

    async def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def catalog() -> Catalog:
    target = Target(provider="sim", model="simulated")
    return Catalog([Model(name="simulated", targets=[target])], [Provider(name="sim", kind="simulated")])


@pytest.fixture
def make_call(clock: FakeClock, catalog: Catalog) -> Callable[..., Call]:
    """A call as it is after `authenticate` and `validate`, with whatever is given changed."""

    def make(
        body: bytes = QUESTION,
        *,
        headers: dict[str, str] | None = None,
        tenant: str = "acme",
        limits: tuple[RequestLimit, ...] = (),
        names: tuple[str, ...] = ("door",),
        is_bare: bool = False,
    ) -> Call:
        async def read_body() -> bytes:
            return body

        arrival = Arrival(
            endpoint="/v1/chat/completions",
            headers=headers or {},
            client_address="127.0.0.1",
            received_at=clock.monotonic(),
            started_at=clock.time(),
            read_body=read_body,
        )
        call = Call(
            id="req_1",
            arrival=arrival,
            reply=FakeReply(),
            settings=Settings(),
            snapshot_version="v1",
            trace=NO_TRACE,
            stopwatch=Stopwatch(names),
        )
        if not is_bare:
            document = decode_object(body)
            chat = read_as(document, ChatRequest)
            route = catalog.find_route(chat.model)
            assert route is not None
            call.principal = Principal(tenant, "ci", "default", limits)
            call.question = Question(body, document, chat, route)
        return call

    return make


@pytest.fixture
def answering() -> Callable[..., Any]:
    """A `proceed` that answers as the provider would and counts how often it was asked."""

    class Answer:
        def __init__(self, *parts: bytes, is_complete: bool = True, error: Exception | None = None) -> None:
            self.parts, self.is_complete, self.error, self.asked = parts, is_complete, error, 0

        async def __call__(self, call: Call) -> None:
            self.asked += 1
            for part in self.parts:
                await call.reply.write(part)
            if self.error is not None:
                raise self.error
            call.outcome.is_complete = self.is_complete
            call.outcome.attempts, call.outcome.provider = 1, "sim"
            if self.is_complete:
                await call.reply.close()

    return Answer


async def events(*items: Any) -> AsyncIterator[Any]:
    for item in items:
        yield item
