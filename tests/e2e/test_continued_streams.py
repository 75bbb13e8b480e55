"""Streams that break off at one maker and go on at another, as the official SDKs read them, and as they are recorded and kept."""

from collections.abc import AsyncIterator, Iterator

import pytest
from fake_provider import FakeProvider
from real_mesh import ACME, PRICES, Mesh, mesh_running
from sdk_clients import CLIENTS

from chassis.testing import free_port

FIRST, SECOND = "alpha beta gamma delta epsilon zeta", "eta theta iota kappa"


@pytest.fixture(scope="module")
def ports() -> tuple[int, int]:
    return free_port(), free_port()


@pytest.fixture(scope="module")
def mesh(ports: tuple[int, int]) -> Iterator[Mesh]:
    makers = {"first": ("openai", "/v1"), "second": ("anthropic", "")}
    providers = [
        {
            "name": name,
            "kind": kind,
            "base_url": f"http://127.0.0.1:{port}{path}",
            "api_key": "upstream-secret",
            "prices": PRICES,
            "breaker": {"failures": 1000},
        }
        for (name, (kind, path)), port in zip(makers.items(), ports, strict=True)
    ]
    targets = [
        {"provider": "first", "model": f"say={FIRST},cut_events=6"},
        {"provider": "second", "model": f"say={SECOND}", "priority": 1},
    ]
    model = {"name": "woven", "targets": targets, "continue_streams": True}
    with mesh_running(providers=providers, models=[model], cache={"when": "always"}) as running:
        yield running


@pytest.fixture
async def makers(ports: tuple[int, int]) -> AsyncIterator[list[FakeProvider]]:
    async with FakeProvider(ports[0]) as first, FakeProvider(ports[1]) as second:
        yield [first, second]


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_stream_goes_on_as_one_answer(mesh: Mesh, makers: list[FakeProvider], client: str) -> None:
    sdk = CLIENTS[client](mesh.url, ACME)
    try:
        got = await sdk.ask(sdk.begin("woven", "text"), stream=True)
    finally:
        await sdk.close()
    begun, _, rest = got.text.partition("eta theta")
    assert rest == " iota kappa"
    assert begun.strip()
    assert FIRST.startswith(begun.strip())
    assert [fake.requests for fake in makers] == [1, 1]
    record = mesh.audit_records(model="woven")[0]
    assert (record.status, record.attempts, record.provider) == (200, 2, "second")
    assert record.cost.nano_usd > 0
    assert record.usage.is_estimated
    assert [(one.provider, one.why) for one in record.failed_attempts] == [("first", "weighted")]
    assert mesh.command("cache", "stats")[0]["entries"] == 0  # it is two models' answer, and kept under neither
