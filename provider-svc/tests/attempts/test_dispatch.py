import pytest
from attempts.scene import FAILED, Scene, whys

from chassis.errors import Reason, RunestoneError
from provider_svc.provider import Kept
from runestone.common.v1.dialect_pb2 import DIALECT_ANTHROPIC_MESSAGES as MESSAGES
from runestone.provider.v1.provider_pb2 import Resource

MIXED = """
providers: [{name: a, kind: openai}, {name: c, kind: anthropic}]
models:
  - {name: m, targets: [{provider: a, model: x, weight: 9}, {provider: c, model: y}], on_loss: drop}
"""


def mixed():
    """One that speaks chat, one that speaks messages."""
    scene = Scene(MIXED)
    scene.routes.seats["c"].dialects = frozenset({MESSAGES})
    return scene


async def test_a_target_that_speaks_the_dialect_takes_the_call():
    """Whatever its weight beside those that do not."""
    scene = mixed()
    assert [(await scene.ask())[0].attempts[0].model for _ in range(9)] == ["x"] * 9
    assert (await scene.ask(dialect=MESSAGES))[0].attempts[0].model == "y"


async def test_a_dialect_that_no_target_speaks_is_refused_before_anything_is_begun():
    scene = mixed()
    with pytest.raises(RunestoneError) as error:
        scene.plan("a/x", dialect=MESSAGES)
    assert (error.value.reason, error.value.code) == (Reason.INVALID_REQUEST, "unsupported_endpoint")
    assert scene.routes.calls == 0


@pytest.mark.parametrize(("model", "reason"), [("nobody/x", Reason.MODEL_NOT_FOUND), ("z", Reason.MODEL_NOT_FOUND)])
async def test_an_unknown_model_is_refused(model, reason):
    with pytest.raises(RunestoneError) as error:
        mixed().plan(model)
    assert error.value.reason is reason


async def test_a_named_provider_is_asked_whatever_its_targets_weigh():
    scene = mixed()
    journey, _ = await scene.ask(provider="c")
    assert (whys(journey), journey.attempts[0].model) == ([("c", "named")], "y")
    kept = Kept(Resource.ACTION_GET, "resp_1")
    journey, _ = await scene.ask("of a model that has gone", provider="c", kept=kept)
    assert journey.attempts[0].model == "of a model that has gone"
    with pytest.raises(RunestoneError) as error:
        scene.plan(provider="z")
    assert error.value.reason is Reason.NOT_FOUND


async def test_a_call_is_strict_as_its_route_is():
    scene = mixed()
    await scene.ask()
    await scene.ask("a/x")
    assert [call.is_strict for call in scene.played["a"].calls] == [False, True]


async def test_snapshots_are_held_while_calls_run():
    scene = mixed()
    _, journey = scene.plan()
    assert scene.routes.calls == 1
    journey.end()
    assert scene.routes.calls == 0


async def test_metrics_name_models_as_the_configuration_does():
    scene = mixed()
    await scene.ask()
    await scene.ask("a/whatever-a-client-says")
    rows = [row for row in scene.metrics.exposition().decode().splitlines() if "target_calls_total{" in row]
    assert {'model="x"' in row or 'model="*"' in row for row in rows} == {True}
    assert len(rows) == 2


async def test_what_a_provider_keeps_is_asked_for_without_changing_how_its_models_are():
    """Both are of routes of one name."""
    scene = Scene(
        """
providers: [{name: a, kind: openai, retries: {attempts: 0}}, {name: b, kind: openai}]
models:
  - {name: a/*, targets: [{provider: a, model: '*'}], fallbacks: [z]}
  - {name: z, targets: [{provider: b, model: z}]}
"""
    )
    await scene.ask("x", provider="a", kept=Kept(Resource.ACTION_GET, "resp_1"))
    scene.played["a"].scripts.append([FAILED])
    assert (await scene.ask("a/x"))[1].body == "b"
