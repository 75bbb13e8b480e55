"""All targets fail at once, at 200 calls a second that come whatever becomes of those before: nobody is asked much more often than in good
times. Prints a row for each way of failing."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import aiohttp
import pytest
from chaos.metrics import measure
from fake_provider import FakeProvider
from makers import MAKERS, PATIENT
from real_mesh import ACME, Mesh, mesh_running

from chassis.testing import free_port

RATE, SECONDS = 200, 5.0
PATIENCE = 90  # seconds; the machine may have other things to do
MOST, MOST_HEDGED = 1.2, 0.05  # upstream calls for each call; hedges
FAULTS = {
    "500": "status=500",
    "429": "status=429",
    "529": "status=529",
    "hang": "hang=headers",
}
SLOW = "slow"
HURRIED = {"connect": "1s", "first_byte": "500ms", "idle": "1s", "total": "5s"}


@dataclass(frozen=True)
class Storm:
    """`calls` were made in `seconds`, of which `answered` were; targets were asked `upstream` times for them, `hedged` of them at once with
    another. What a provider says of its own, because it was told to slow down, is no upstream call."""

    name: str
    calls: int
    seconds: float
    answered: int
    upstream: int
    hedged: int

    def __str__(self) -> str:
        each = self.upstream / self.calls
        return (
            f"{self.name:6} {self.calls:5} calls at {self.calls / self.seconds:3.0f}/s  {self.answered:5} answered"
            f"  {self.upstream:5} upstream calls, {each:.3f} for each  {self.hedged:3} hedges"
        )


def _providers(name: str, port: int, timeouts: Mapping[str, str] = HURRIED) -> list[dict[str, object]]:
    """Of every kind."""
    return [
        {
            "name": f"{name}-{maker}",
            "kind": kind,
            "base_url": f"http://127.0.0.1:{port}{path}",
            "api_key": "upstream-secret",
            "timeouts": dict(timeouts),
        }
        for maker, (kind, path) in MAKERS.items()
    ]


def _route(name: str, wish: str) -> dict[str, object]:
    targets = [{"provider": f"{name}-{maker}", "model": wish} for maker in MAKERS]
    return {"name": name, "targets": targets, "hedging": {"after": "100ms"}}


@pytest.fixture(scope="module")
def mesh() -> Iterator[Mesh]:
    port = free_port()
    wishes = FAULTS | {SLOW: "latency=300ms"}
    providers = [provider for name in FAULTS for provider in _providers(name, port)]
    providers += [*_providers(SLOW, port, PATIENT), *_providers("absent", free_port())]
    models = [_route(name, wish) for name, wish in {**wishes, "absent": "whatever"}.items()]
    with mesh_running("--one-process", providers=providers, models=models) as running:
        yield Mesh(running.data_dir, running.process, port, running.log)


async def rage(mesh: Mesh, name: str, fake: FakeProvider) -> Storm:
    """The calls, and what came of them."""
    document = {"model": name, "messages": [{"role": "user", "content": "Hello"}]}
    connector, timeout = aiohttp.TCPConnector(limit=0), aiohttp.ClientTimeout(total=PATIENCE)
    headers = {"authorization": f"Bearer {ACME}"}
    async with aiohttp.ClientSession(mesh.url, connector=connector, timeout=timeout, headers=headers) as session:

        async def call(number: int) -> bool:
            body = document | {"stream": number % 2 == 0, "user": f"{number}"}
            async with session.post("/v1/chat/completions", json=body) as answer:
                body = await answer.read()
                return answer.status == 200 and b'"error"' not in body  # a stream may begin while nobody answers

        begun, calls = time.monotonic(), []
        for number in range(int(RATE * SECONDS)):
            await asyncio.sleep(begun + number / RATE - time.monotonic())
            calls.append(asyncio.create_task(call(number)))
        seconds = time.monotonic() - begun
        answered = sum(await asyncio.gather(*calls))
    numbers = await measure(mesh)
    tried = sum(numbers.sum("upstream_calls_total", provider=f"{name}-{maker}") for maker in MAKERS)
    return Storm(
        name=name,
        calls=len(calls),
        seconds=seconds,
        answered=answered,
        upstream=fake.requests or int(tried),
        hedged=int(numbers.sum("upstream_extra_calls_total", route=name, why="hedge")),
    )


@pytest.mark.timeout(2 * PATIENCE)
@pytest.mark.parametrize("name", [*FAULTS, "absent"])
async def test_targets_that_all_fail_are_asked_little_more_often_than_calls_come(mesh: Mesh, name: str) -> None:
    async with FakeProvider(mesh.fake_port) as fake:
        storm = await rage(mesh, name, fake)
    print(storm)  # noqa: T201
    assert storm.answered == 0
    assert storm.upstream - storm.hedged <= MOST * storm.calls
    assert storm.hedged <= MOST_HEDGED * storm.calls + 1


@pytest.mark.timeout(2 * PATIENCE)
async def test_hedges_are_few_where_all_targets_are_slow(mesh: Mesh) -> None:
    """And all calls are answered."""
    async with FakeProvider(mesh.fake_port) as fake:
        storm = await rage(mesh, SLOW, fake)
    print(storm)  # noqa: T201
    assert storm.answered == storm.calls
    assert 0 < storm.hedged <= MOST_HEDGED * storm.calls + 1
    assert storm.calls < storm.upstream <= storm.calls + storm.hedged  # one may be over before it is on its way
