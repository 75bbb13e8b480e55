"""The metrics of connections: what is, by provider, and what was, whichever upstream it was of."""

import pytest
from fake_provider import FakeProvider

from chassis.clock import SystemClock
from chassis.config.providers import Connections, Provider, Timeouts
from chassis.metrics import Metrics
from provider_svc.connection_metrics import ConnectionMetrics
from provider_svc.providers import ProviderFactory
from provider_svc.upstream import Upstream

BODY = b'{"model":"words=1","messages":[{"role":"user","content":"hello"}]}'


class Shown:
    """The samples of one exposition."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.connections = ConnectionMetrics(self.metrics)

    def open(self, fake: FakeProvider, name: str, **settings: int) -> Upstream:
        upstream = Upstream(
            name,
            fake.openai_url,
            Timeouts(),
            connections=Connections(**settings),
            counts=self.connections.counts(name),
        )
        self.connections.watch(upstream)
        return upstream

    def __getitem__(self, sample: str) -> float:
        lines = dict(line.rsplit(" ", 1) for line in self.metrics.exposition().decode().splitlines() if line[0] != "#")
        return float(lines[f"runestone_upstream_{sample}"])


@pytest.fixture
def shown() -> Shown:
    return Shown()


async def ask(upstream: Upstream) -> None:
    async with upstream.post("/chat/completions", BODY, {}) as answer:
        await answer.read(100_000)


async def test_connections_are_shown_by_provider_and_state(shown, fake):
    one, other = shown.open(fake, "one"), shown.open(fake, "other")
    await ask(one)
    async with other.post("/chat/completions", BODY, {}):
        assert shown['pool_connections{provider="one",state="idle"}'] == 1
        assert shown['pool_connections{provider="other",state="idle"}'] == 0
        assert shown['pool_connections{provider="other",state="busy"}'] == 1
        assert shown["connections"] == 2
    await one.close()
    await other.close()
    assert shown["connections"] == 0


async def test_counters_go_on_over_a_reload(shown, fake):
    for _ in range(2):
        upstream = shown.open(fake, "one")
        await ask(upstream)
        await ask(upstream)
        await upstream.close()
    assert shown['dials_total{outcome="connected",provider="one"}'] == 2
    assert shown['reused_total{provider="one"}'] == 2
    assert shown['look_ups_total{outcome="found",provider="one"}'] == 2
    assert shown.connections.statistics("one")["reused"] == 2


async def test_a_dial_that_fails_is_counted(shown, fake):
    upstream = shown.open(fake, "one")
    await fake.__aexit__(None, None, None)
    with pytest.raises(Exception, match="cannot connect"):
        await ask(upstream)
    assert shown['dials_total{outcome="failed",provider="one"}'] == 1
    await upstream.close()


async def test_statistics_are_those_of_all_that_live_under_a_name(shown, fake):
    """While a reload is under way there are two."""
    first, second = shown.open(fake, "one"), shown.open(fake, "one")
    await ask(first)
    await ask(second)
    now = shown.connections.statistics("one")
    assert (now["open"], now["idle"], now["dialed"], now["running"]) == (2, 2, 2, 0)
    await first.close()
    await second.close()


async def test_the_factory_opens_with_the_configured_connections(fake):
    metrics = ConnectionMetrics(Metrics())
    configured = Provider(
        name="p", kind="openai", base_url=fake.openai_url, connections=Connections(max=3, warm=2), api_key=None
    )
    provider = ProviderFactory(SystemClock(), connections=metrics).open(configured)
    await fake.connections.wait_open(2)
    (upstream,) = metrics.upstreams
    assert upstream.pool._limits.connections == 3
    await provider.close()
