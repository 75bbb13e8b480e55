"""Two targets at once, where the first takes too long to begin."""

import asyncio
import contextlib

import pytest
from attempts.scene import FAILED, OK, Ground, Scene, said, whys

from chassis.errors import Reason, RunestoneError
from chassis.metrics import Metrics
from chassis.tracing import Tracing
from provider_svc.attempts.hedging import Race
from provider_svc.attempts.to_target import ToTarget
from provider_svc.provider import Begun
from provider_svc.telemetry import Telemetry

TWO = """
providers: [{name: a, kind: openai, retries: {attempts: 0}}, {name: b, kind: openai, retries: {attempts: 0}}]
models:
  - name: m
    targets: [{provider: a, model: x}, {provider: b, model: x, priority: 1}]
    hedging: {after: 5ms}
"""


def never():
    return asyncio.get_running_loop().create_future()


async def test_the_second_answers_when_the_first_does_not_begin_and_the_first_is_cancelled():
    scene = Scene(TWO)
    scene.played["a"].scripts.append([OK, never()])
    journey, ground = await scene.ask()
    assert ground.body == "b"
    assert scene.played["a"].cancelled == 1
    assert [one.why for one in journey.attempts][1:] == ["hedge"]
    assert [one.reason for one in journey.attempts] == [Reason.CANCELLED, None]
    assert ground.accepted[-1].provider == "b"
    assert scene.health("a").running == scene.health("b").running == 0


async def test_the_first_answers_when_it_begins_while_the_second_runs():
    scene = Scene(TWO)
    release = never()
    scene.played["a"].scripts.append([release, OK, said("a")])
    scene.played["b"].scripts.append([OK, never()])
    asking = asyncio.ensure_future(scene.ask())
    while not scene.played["b"].calls:
        await asyncio.sleep(0.001)
    release.set_result(None)
    _, ground = await asking
    assert (ground.body, scene.played["b"].cancelled) == ("a", 1)


async def test_one_that_begins_in_time_is_alone():
    scene = Scene(TWO)
    scene.played["a"].scripts.append([OK, said("a1"), asyncio.sleep(0.02), said("a2")])
    journey, ground = await scene.ask()
    assert (ground.body, len(journey.attempts)) == ("a1a2", 1)


async def test_a_second_that_fails_leaves_the_first_to_answer():
    scene = Scene(TWO)
    scene.played["a"].scripts.append([asyncio.sleep(0.02), OK, said("a")])
    scene.played["b"].scripts.append([FAILED])
    journey, ground = await scene.ask()
    assert (ground.body, len(journey.attempts)) == ("a", 2)


async def test_when_both_fail_the_call_goes_on_as_behind_any_failure():
    scene = Scene(TWO.replace("attempts: 0", "attempts: 1, backoff: 1ms"))
    scene.played["a"].scripts.append([asyncio.sleep(0.02), FAILED])
    scene.played["b"].scripts.append([FAILED])
    journey, ground = await scene.ask()
    assert whys(journey)[2:] == [("a", "retry")]
    assert ground.body == "a"


async def test_a_failure_in_the_middle_of_the_winner_is_told():
    scene = Scene(TWO)
    scene.played["a"].scripts.append([never()])
    scene.played["b"].scripts.append([OK, said("half"), FAILED])
    ground = Ground()
    with pytest.raises(RunestoneError):
        await scene.ask(ground=ground)
    assert (ground.body, scene.played["a"].cancelled) == ("half", 1)


async def test_cancelling_closes_both():
    scene = Scene(TWO)
    scene.played["a"].scripts.append([never()])
    scene.played["b"].scripts.append([never()])
    asking = asyncio.ensure_future(scene.ask())
    while not scene.played["b"].calls:
        await asyncio.sleep(0.001)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert [scene.played[name].cancelled for name in "ab"] == [1, 1]
    assert scene.health("a").running == scene.health("b").running == 0


async def test_hedges_are_at_most_a_twentieth_of_the_calls():
    scene = Scene(TWO.replace("5ms", "0.1ms"))
    for _ in range(200):
        scene.played["a"].scripts.append([asyncio.sleep(0.001), OK, said("a")])
        await scene.ask()
    assert 5 <= scene.extra("hedge") <= 11


async def test_nobody_is_hedged_while_nobody_knows_what_is_usual():
    scene = Scene(TWO.replace("{after: 5ms}", "{}"))
    for _ in range(5):
        scene.played["a"].scripts.append([asyncio.sleep(0.005), OK, said("a")])
        await scene.ask()
    assert scene.extra("hedge") == 0


class Slowly:
    """Takes a moment, when it is waited for."""

    def __await__(self):
        return asyncio.sleep(0.002).__await__()


async def test_what_is_tried_again_does_not_earn_another_hedge():
    scene = Scene(
        TWO.replace("5ms", "0.1ms").replace(
            "attempts: 0}", "attempts: 1, backoff: 0.01ms}, breaker: {failures: 100000}, ejection: {calls: 100000}"
        )
    )
    for _ in range(400):
        scene.played["a"].scripts.extend([[Slowly(), FAILED], [Slowly(), OK, said("a")]])
        scene.played["b"].scripts.append([FAILED])
        with contextlib.suppress(RunestoneError):
            await scene.ask()
        for played in scene.played.values():
            played.scripts.clear()
    assert 0 < scene.extra("hedge") <= 21


async def test_an_answer_without_a_byte_wins_as_any_other():
    """As of speech that is silent: it is whole, and whoever runs beside it is cancelled."""
    scene = Scene(TWO)
    scene.played["a"].scripts.append([never()])
    scene.played["b"].scripts.append([Begun(200, content_type="audio/mpeg")])
    journey, ground = await asyncio.wait_for(scene.ask(stream=False), 5)
    assert [attempt.provider for attempt in ground.accepted] == ["b"]
    assert [one.reason for one in journey.attempts] == [Reason.CANCELLED, None]


async def test_a_second_that_lost_before_its_first_step_was_not_made():
    """The first may begin in the very step in which the second is chosen."""
    scene = Scene(TWO)
    (_, journey), race = scene.plan(), Race(Ground())
    late = journey.visit(journey.leg.find_other(0.0), "hedge", 0.0)
    race.enter(ToTarget(Telemetry(Metrics(), Tracing("test")), scene.clock), late)
    await race.close()
    assert (late.reason, scene.played["a"].calls, scene.health("a").running) == (Reason.CANCELLED, [], 0)
