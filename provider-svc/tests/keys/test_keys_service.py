"""provider-svc with several keys, in front of a fake provider that counts by key, and what is shown of them."""

import asyncio
import contextlib
from collections import Counter

import pytest
from structlog.testing import capture_logs

from chassis.clock import SystemClock
from chassis.config import encode, parse_settings
from chassis.errors import RunestoneError
from provider_svc.provider import Gathered, UpstreamCall
from provider_svc.providers import ProviderFactory

CANARIES = {"east": "sk-canary-east", "west": "sk-canary-west"}


def settings_of(fake, more="", kind="openai", weights=(1, 1)):
    keys = ", ".join(
        f"{{name: {name}, key: {key}, weight: {weight}}}"
        for (name, key), weight in zip(CANARIES.items(), weights, strict=True)
    )
    url = fake.openai_url if kind == "openai" else fake.url
    return parse_settings(f'providers: [{{name: fake, kind: {kind}, base_url: "{url}", api_keys: [{keys}]{more}}}]')


def key_of(exchange):
    key = exchange.headers.get("x-api-key") or exchange.headers["authorization"].removeprefix("Bearer ")
    return next(name for name, canary in CANARIES.items() if canary == key)


def count_keys(fake):
    return Counter(map(key_of, fake.exchanges))


def exhausted(*names, wishes="status=429,retry_after=30"):
    """What the fake is to do with a request: keys of these names have nothing left."""
    return lambda exchange: wishes if key_of(exchange) in names else ""


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
async def test_keys_take_turns_by_weight(fake, open_rig, kind):
    async with open_rig(settings_of(fake, kind=kind, weights=(3, 1))) as rig:
        for _ in range(8):
            assert (await rig.call("fake/words=1")).reason == ""
    assert count_keys(fake) == {"east": 6, "west": 2}


async def test_while_one_key_is_exhausted_the_other_is_used(fake, open_rig):
    fake.script(*[exhausted("east")] * 9)
    async with open_rig(settings_of(fake)) as rig:
        reasons = Counter([(await rig.call("fake/words=1")).reason for _ in range(9)])
        assert rig.gauge("runestone_upstream_key_pauses_total") == 1
    assert reasons == {"": 9}
    assert count_keys(fake) == {"east": 1, "west": 9}


async def test_when_all_keys_are_exhausted_the_provider_is_left_alone(fake, open_rig):
    fake.script(*[exhausted("east", "west")] * 9)
    async with open_rig(settings_of(fake)) as rig:
        failures = [await rig.call("fake/words=1") for _ in range(9)]
    assert {failed.reason for failed in failures} == {"PROVIDER_RATE_LIMITED"}
    hints = [failed.end.error.retry_after.ToNanoseconds() / 1e9 for failed in failures]
    assert hints[0] == 0  # with the other key
    assert all(20 < hint <= 30 for hint in hints[1:])
    assert hints[1:] == sorted(hints[1:], reverse=True)
    assert fake.requests == 2


async def test_no_more_calls_run_at_once_than_a_key_may_have(fake, open_rig):
    async with open_rig(settings_of(fake, ", concurrency: {max: 2}")) as rig:
        heard = await asyncio.gather(*(rig.call("fake/words=3,pace=5ms") for _ in range(12)))
        assert {each.reason for each in heard} == {""}
    assert count_keys(fake) == {"east": 6, "west": 6}
    assert fake.connections.opened <= 4


async def test_concurrency_holds_for_the_simulated_provider_too(fake, open_rig):
    settings = parse_settings("providers: [{name: sim, kind: simulated, concurrency: {max: 1, queue: 1}}]")
    async with open_rig(settings) as rig:
        heard = await asyncio.gather(*(rig.call("sim/words=3,pace=20ms") for _ in range(3)))
        assert sorted(each.reason for each in heard) == ["", "", "OVERLOADED"]
        assert rig.gauge("runestone_upstream_key_limit") == 1


async def test_a_refused_key_is_told_once_and_by_name(fake, open_rig):
    fake.keys = frozenset({CANARIES["west"]})
    with capture_logs() as logs:
        async with open_rig(settings_of(fake)) as rig:
            reasons = Counter([(await rig.call("fake/words=1")).reason for _ in range(6)])
    assert reasons == {"": 6}
    warnings = [line for line in logs if "refused a key" in line["event"]]
    assert [(line["provider"], line["key"]) for line in warnings] == [("fake", "east")]
    assert "sk-canary" not in repr(logs)


@pytest.mark.parametrize("wishes", ["status=401", "status=429", "status=500", "garbage=1", "cut=1"])
async def test_no_key_stands_in_what_is_raised_or_shown(fake, wishes):
    settings = settings_of(fake)
    provider = ProviderFactory(SystemClock()).open(settings.providers[0])
    call = UpstreamCall(call_id="c", model=wishes, stream=True, members={})
    shown = [repr(provider), repr(settings), encode(settings, reveal=False).decode()]
    with contextlib.suppress(RunestoneError):
        await provider.call(call, Gathered())
    shown.append(repr(provider))
    await provider.close()
    assert not [text for text in shown if "sk-canary" in text]
    assert "east" in shown[0]


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
async def test_a_single_key_stands_beside_the_named_ones(fake, kind):
    settings = settings_of(fake, ", api_key: sk-single", kind=kind)
    provider = ProviderFactory(SystemClock()).open(settings.providers[0])
    assert repr(provider).startswith("Translating(Keyed(fake, Desk(1 0 of 4096, east 0 of 4096, west 0 of 4096;")
    await provider.close()
