"""What operators are told of targets: over a socket, of real calls to a fake provider."""

from collections.abc import Mapping

import orjson
import pytest

from chassis.config import parse_settings
from chassis.errors import Reason, RunestoneError
from runestone.common.v1.dialect_pb2 import DIALECT_OPENAI_CHAT, DIALECT_OPENAI_EMBEDDINGS
from runestone.common.v1.error_pb2 import ERROR_REASON_PROVIDER_FAILED, ERROR_REASON_UNSPECIFIED
from runestone.target.v1.target_pb2 import ExplainRouteRequest, ListTargetsRequest, TargetStatus

WELL, OPEN = TargetStatus.STATE_CLOSED, TargetStatus.STATE_OPEN


def settings_for(fake, pause="60s"):
    at = f'kind: openai, base_url: "{fake.openai_url}", api_key: sk-canary-secret, price: free'
    return parse_settings(f"""
providers:
  - {{name: sick, {at}, breaker: {{failures: 1, pause: {pause}}}, retries: {{attempts: 0}}}}
  - {{name: good, {at}}}
  - {{name: sim, kind: simulated}}
models:
  - {{name: both, targets: [{{provider: sick, model: status=500}}, {{provider: good, model: words=3, priority: 1}}], fallbacks: [other]}}
  - {{name: other, targets: [{{provider: sim, model: plain}}, {{provider: good, model: words=3}}]}}
  - {{name: "wild-*", targets: [{{provider: good, model: "words=*"}}]}}
  - {{name: small, strategy: sticky, targets: [
      {{provider: good, model: blind, lacks: [vision]}}, {{provider: good, model: seeing}}, {{provider: sim, model: plain, weight: 0}}]}}
""")


@pytest.fixture
async def rig(open_rig, fake):
    async with open_rig(settings_for(fake)) as rig:
        yield rig


async def list_targets(rig) -> Mapping[tuple[str, str], TargetStatus]:
    answer = await rig.targets.ListTargets(ListTargetsRequest())
    return {(target.provider, target.model): target for target in answer.targets}


async def explain(rig, model, *, dialect=DIALECT_OPENAI_CHAT, **members):
    body = orjson.dumps(members) if members else b""
    return await rig.targets.ExplainRoute(ExplainRouteRequest(model=model, tenant="acme", dialect=dialect, body=body))


def places(answer):
    return [(choice.route, choice.provider, choice.model, choice.eligible) for choice in answer.choices]


async def test_every_target_of_the_configuration_is_listed_before_any_was_asked(rig):
    found = await list_targets(rig)
    assert {name: list(target.routes) for name, target in found.items()} == {
        ("good", "blind"): ["small"],
        ("good", "seeing"): ["small"],
        ("good", "words=3"): ["both", "other", "wild-*"],
        ("sick", "status=500"): ["both"],
        ("sim", "plain"): ["other", "small"],
    }
    assert {target.state for target in found.values()} == {WELL}
    assert not [one for one in found.values() if one.HasField("first_byte") or one.HasField("retry_after")]
    assert {target.last_failure for target in found.values()} == {ERROR_REASON_UNSPECIFIED}


async def test_a_target_that_fails_is_open_and_says_why(rig):
    heard = await rig.call("both")
    assert heard.reason == ""
    found = await list_targets(rig)
    sick, good = found["sick", "status=500"], found["good", "words=3"]
    assert (sick.state, sick.last_failure, sick.recent_calls, sick.recent_failures) == (
        OPEN,
        ERROR_REASON_PROVIDER_FAILED,
        1,
        1,
    )
    assert 50 < sick.retry_after.ToTimedelta().total_seconds() <= 60
    assert (good.state, good.recent_calls, good.recent_failures, good.running) == (WELL, 1, 0, 0)
    assert good.first_byte.ToTimedelta().total_seconds() > 0
    assert not good.HasField("first_byte_p95")


async def test_a_call_that_runs_is_counted_where_it_runs(rig):
    async with rig.begun("wild-3,latency=20s"):
        assert (await list_targets(rig))["good", "words=3,latency=20s"].running == 1
    await rig.until_idle()
    assert (await list_targets(rig))["good", "words=3,latency=20s"].running == 0


async def test_what_clients_name_is_listed_once_it_was_asked(rig):
    await rig.call("wild-2")
    await rig.call("good/m")
    found = await list_targets(rig)
    assert list(found["good", "words=2"].routes) == ["wild-*"]
    assert list(found["good", "m"].routes) == ["good/*"]


async def test_providers_without_models_have_their_connections_told(rig):
    await rig.call("good/m")
    answer = await rig.targets.ListTargets(ListTargetsRequest())
    assert [one.provider for one in answer.providers] == ["sick", "good", "sim"]
    assert [sum(one.connections.values()) > 0 for one in answer.providers] == [False, True, False]


async def test_keys_are_told_by_name_and_how_many_calls_they_have(open_rig, fake):
    at = f'kind: openai, base_url: "{fake.openai_url}", price: free'
    keys = "[{name: one, key: sk-canary-secret}, {name: two, key: sk-canary-other}]"
    settings = parse_settings(f"providers: [{{name: p, {at}, api_keys: {keys}, concurrency: {{max: 7}}}}]")
    async with open_rig(settings) as rig, rig.begun("p/latency=20s"):
        answer = await rig.targets.ListTargets(ListTargetsRequest())
    (provider,) = answer.providers
    assert [(key.name, key.limit, key.waiting) for key in provider.keys] == [("one", 7, 0), ("two", 7, 0)]
    assert sum(key.running for key in provider.keys) == 1
    assert not [key for key in provider.keys if key.HasField("paused")]
    assert b"canary" not in answer.SerializeToString()


async def test_an_order_is_explained_by_what_is_known_now(rig):
    """First the route's own, those that are left alone behind the others; then the fallbacks'."""
    before = await explain(rig, "both")
    assert (before.route, before.strategy) == ("both", "weighted")
    assert places(before)[:2] == [("both", "sick", "status=500", True), ("both", "good", "words=3", True)]
    assert {place[0] for place in places(before)[2:]} == {"other"}
    await rig.call("both")
    after = await explain(rig, "both")
    assert places(after)[:2] == [("both", "good", "words=3", True), ("both", "sick", "status=500", True)]
    assert "left alone after failures" in after.choices[1].why


async def test_who_cannot_take_a_call_comes_last_and_says_why(rig):
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    answer = await explain(rig, "small", messages=[{"role": "user", "content": [picture]}])
    assert places(answer) == [
        ("small", "good", "seeing", True),
        ("small", "good", "blind", False),
        ("small", "sim", "plain", False),
    ]
    assert [choice.why for choice in answer.choices[1:]] == ["does not take images", "weight 0"]


async def test_explaining_asks_nobody_and_changes_nothing(rig):
    await rig.call("both")
    before, asked = await list_targets(rig), rig.fake.requests
    for model in ("both", "good/never-asked", "wild-9"):
        await explain(rig, model)
    after = await list_targets(rig)
    assert (rig.fake.requests, after.keys()) == (asked, before.keys())
    assert after["sick", "status=500"].state == OPEN


async def test_an_endpoint_that_a_target_has_not_is_said(rig):
    answer = await explain(rig, "sim/x", dialect=DIALECT_OPENAI_EMBEDDINGS)
    assert [choice.eligible for choice in answer.choices] == [True]
    answer = await rig.targets.ExplainRoute(ExplainRouteRequest(model="both", dialect=99))
    assert {choice.why for choice in answer.choices} == {"does not have this endpoint"}


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (ExplainRouteRequest(model="nobody"), Reason.MODEL_NOT_FOUND),
        (ExplainRouteRequest(model="both", body=b"[1]"), Reason.INVALID_REQUEST),
    ],
)
async def test_what_cannot_be_explained_is_refused(rig, request_, reason):
    with pytest.raises(RunestoneError) as error:
        await rig.targets.ExplainRoute(request_)
    assert error.value.reason is reason


async def test_metrics_tell_which_targets_are_left_alone_by_bounded_names(rig):
    await rig.call("both")
    async with rig.begun("wild-3,latency=20s"):
        rows = [row for row in rig.runtime.metrics.exposition().decode().splitlines() if "runestone_target_" in row]
    assert 'runestone_target_open{model="status=500",provider="sick"} 1.0' in rows
    assert 'runestone_target_open{model="words=3",provider="good"} 0.0' in rows
    assert 'runestone_target_running{model="*",provider="good"} 1.0' in rows
    assert not [row for row in rows if "latency" in row]
