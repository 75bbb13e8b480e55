"""provider-svc on a unix socket, in front of a fake provider; and what must hold when a test is over."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count

import orjson
import pytest
from authority import authority as authority  # noqa: PLC0414  a fixture of all folders
from fake_provider import Exchange, FakeProvider

from chassis.client import closing
from chassis.config import Settings, parse_settings
from chassis.runtime import Runtime
from chassis.testing import running
from provider_svc.service import SERVICE
from runestone.common.v1.dialect_pb2 import DIALECT_OPENAI_CHAT
from runestone.common.v1.error_pb2 import ErrorReason
from runestone.provider.v1.provider_pb2 import (
    AttachRequest,
    CallEvent,
    CallRequest,
    Completed,
    ControlRequest,
    ControlResponse,
    Failed,
)
from runestone.provider.v1.provider_pb2_grpc import ProviderServiceStub
from runestone.target.v1.target_pb2_grpc import TargetServiceStub

PAUSE, RESUME, CANCEL = ControlRequest.ACTION_PAUSE, ControlRequest.ACTION_RESUME, ControlRequest.ACTION_CANCEL


@dataclass
class Heard:
    """A call's events, gathered."""

    events: list[CallEvent] = field(default_factory=list)
    messages: int = 0
    settles: bool = False

    @property
    def body(self) -> bytes:
        return b"".join(event.data.body for event in self.events if event.HasField("data"))

    @property
    def frames(self) -> list[bytes]:
        """Each numbered event's bytes; fails when numbers have gaps or repeat."""
        frames = []
        for data in (event.data for event in self.events if event.HasField("data")):
            assert data.ends[-1] == len(data.body)
            start = 0
            for number, end in enumerate(data.ends, start=data.first_seq):
                frames.append((number, data.body[start:end]))
                start = end
        first = frames[0][0] if frames else 1
        assert [number for number, _ in frames] == list(range(first, first + len(frames)))
        return [frame for _, frame in frames]

    @property
    def end(self) -> Completed | Failed:
        """The last event, which must be the only end; `accepted` must be first or missing."""
        kinds = [event.WhichOneof("event") for event in self.events]
        assert kinds[-1] in {"completed", "failed"}
        assert not {"completed", "failed"} & set(kinds[:-1])
        assert kinds[0] == "accepted" or kinds == ["failed"]
        return getattr(self.events[-1], kinds[-1])

    async def until_over(self, patience: float = 10.0) -> None:
        """Returns when the last event has come to whoever fills this."""
        async with asyncio.timeout(patience):
            while not self.events or self.events[-1].WhichOneof("event") not in {"completed", "failed"}:
                await asyncio.sleep(0.005)

    @property
    def reason(self) -> str:
        """Why it failed, without the enum's prefix; "" when it completed."""
        if isinstance(self.end, Completed):
            return ""
        return ErrorReason.Name(self.end.error.reason).removeprefix("ERROR_REASON_")


@dataclass
class Rig:
    """The service under test. Models: `fake/<wishes>` over OpenAI's dialect, `claude/<wishes>`, `sim/<behaviour>`."""

    runtime: Runtime
    stub: ProviderServiceStub
    targets: TargetServiceStub
    fake: FakeProvider
    ids: count = field(default_factory=lambda: count(1))

    def request(
        self,
        model: str,
        *,
        stream: bool = True,
        call_id: str = "",
        tenant: str = "acme",
        resume: float = 0.0,
        pause: float = 0.0,
        key: bytes = b"",
        **members: object,
    ):
        """`resume` and `pause` are windows in seconds, `key` is what it shares with others."""
        body = {"model": model, "messages": [{"role": "user", "content": "hello"}], **members}
        if stream:
            body["stream"] = True
        request = CallRequest(
            call_id=call_id or f"call-{next(self.ids)}",
            tenant=tenant,
            dialect=DIALECT_OPENAI_CHAT,
            model=model,
            stream=stream,
            body=orjson.dumps(body),
            coalesce_key=key,
        )
        if resume:
            request.resume_window.FromMilliseconds(round(resume * 1e3))
        if pause:
            request.pause_window.FromMilliseconds(round(pause * 1e3))
        return request

    async def call(self, model: str, **options: object) -> Heard:
        """Makes a call to its end."""
        return await self.hear(self.stub.Call(self.request(model, **options), timeout=30))

    async def attach(
        self, call_id: str, after_seq: int = 0, tenant: str = "acme", *, is_watching: bool = False
    ) -> Heard:
        request = AttachRequest(call_id=call_id, tenant=tenant, after_seq=after_seq, is_watching=is_watching)
        return await self.hear(self.stub.Attach(request))

    async def control(self, call_id: str, action: int, tenant: str = "acme") -> ControlResponse:
        return await self.stub.Control(ControlRequest(call_id=call_id, tenant=tenant, action=action))

    async def hear(self, responses) -> Heard:
        heard = Heard()
        async with closing(responses) as messages:
            async for message in messages:
                heard.messages += 1
                heard.events += message.events
                heard.settles |= getattr(message, "settles", False)
        return heard

    @asynccontextmanager
    async def begun(self, model: str, **options: object) -> AsyncIterator[tuple[Exchange, Heard]]:
        """A running call that has reached the fake provider; leaving the context leaves the call."""
        number = self.fake.requests + 1
        async with self.begun_beside(model, **options) as heard:
            yield await self.fake.exchange(number), heard

    @asynccontextmanager
    async def begun_beside(self, model: str, **options: object) -> AsyncIterator[Heard]:
        """A running call that may share another's upstream call; leaving the context leaves the call."""
        heard = Heard()

        async def listen() -> None:
            async with closing(self.stub.Call(self.request(model, **options), timeout=30)) as messages:
                async for message in messages:
                    heard.events += message.events

        task = asyncio.create_task(listen())
        try:
            yield heard
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def gauge(self, name: str) -> float:
        text = self.runtime.metrics.exposition().decode()
        return sum(float(line.split()[-1]) for line in text.splitlines() if line.split(" ")[0].split("{")[0] == name)

    async def until(self, holds: Callable[[], bool], patience: float = 10.0) -> None:
        """Returns when `holds` does; fails after `patience` seconds."""
        async with asyncio.timeout(patience):
            while not holds():
                await asyncio.sleep(0.005)

    async def until_idle(self, patience: float = 5.0) -> None:
        """Returns when no upstream call is running; fails after `patience` seconds."""
        async with asyncio.timeout(patience):
            while self.gauge("runestone_upstream_running"):
                await asyncio.sleep(0.005)


def settings_for(fake: FakeProvider, **timeouts: str) -> Settings:
    limits = ", ".join(f"{name}: {value}" for name, value in timeouts.items())
    return parse_settings(f"""
providers:
  - {{name: fake, kind: openai, base_url: "{fake.openai_url}", api_key: sk-canary-secret, timeouts: {{{limits}}}}}
  - {{name: claude, kind: anthropic, base_url: "{fake.url}", api_key: sk-canary-secret, timeouts: {{{limits}}}}}
  - {{name: sim, kind: simulated}}
models:
  - {{name: plain, targets: [{{provider: sim, model: simulated}}]}}
""")


@pytest.fixture
async def fake() -> AsyncIterator[FakeProvider]:
    async with FakeProvider() as fake:
        yield fake


@pytest.fixture
def open_rig(fake: FakeProvider):
    """Opens the service with the given timeouts, or with other settings; when it is left no call runs and no task is left
    over."""

    @asynccontextmanager
    async def open_with(
        settings: Settings | None = None, peers: dict[str, str] | None = None, **timeouts: str
    ) -> AsyncIterator[Rig]:
        before = asyncio.all_tasks()
        async with running(SERVICE, settings or settings_for(fake, **timeouts), peers=peers) as (runtime, channel):
            rig = Rig(runtime, ProviderServiceStub(channel), TargetServiceStub(channel), fake)
            yield rig
            await rig.until_idle()
            assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("flight ")]
        await assert_no_tasks_beyond(before)

    return open_with


@pytest.fixture
async def rig(open_rig) -> AsyncIterator[Rig]:
    async with open_rig() as rig:
        yield rig


async def assert_no_tasks_beyond(before: set[asyncio.Task], patience: float = 5.0) -> None:
    """Every task that came since `before` ends by itself, but for the fake's own connection handlers."""
    known = before | {asyncio.current_task()}
    async with asyncio.timeout(patience):
        while [task for task in asyncio.all_tasks() - known if "RequestHandler" not in repr(task.get_coro())]:
            await asyncio.sleep(0.005)
