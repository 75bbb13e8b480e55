"""What a call finds when targets fail, before anything of an answer is its client's."""

import asyncio
import contextlib

import pytest
from attempts.scene import FAILED, OK, Ground, Scene, said, whys

from chassis.errors import Reason, RunestoneError
from provider_svc.health.breaker import LAST_RESORTS
from provider_svc.health.outcome import Outcome
from runestone.common.v1.dialect_pb2 import DIALECT_OPENAI_EMBEDDINGS

RATE_LIMITED = RunestoneError(Reason.PROVIDER_RATE_LIMITED, "slowly", upstream_status=429, retry_after=1.5)
SOON = RunestoneError(Reason.PROVIDER_OVERLOADED, "in a moment", upstream_status=503, retry_after=0.02)
REFUSED = RunestoneError(Reason.PROVIDER_REFUSED, "no", upstream_status=400)
TOO_LONG = RunestoneError(Reason.PROVIDER_REFUSED, "too long", upstream_status=400, code="context_length_exceeded")
GONE = RunestoneError(Reason.PROVIDER_REFUSED, "no such model", upstream_status=404)
UNTRANSLATED = RunestoneError(Reason.INVALID_REQUEST, "no word for that")

THREE = """
providers:
  - {name: a, kind: openai, retries: {attempts: 1, backoff: 1ms}}
  - {name: b, kind: openai, retries: {attempts: 1, backoff: 1ms}}
  - {name: c, kind: openai, retries: {attempts: 1, backoff: 1ms}}
models:
  - name: m
    targets: [{provider: a, model: x}, {provider: b, model: x, priority: 1}, {provider: c, model: x, priority: 2}]
"""


def failing(scene, **failures):
    """Each provider named fails so many times."""
    for name, errors in failures.items():
        scene.played[name].scripts.extend([error] for error in errors)
    return scene


@pytest.mark.parametrize("error", [FAILED, RATE_LIMITED, TOO_LONG, GONE, UNTRANSLATED, SOON])
async def test_what_one_target_cannot_answer_the_next_does(error):
    journey, ground = await failing(Scene(THREE), a=[error], b=[error]).ask()
    assert (whys(journey), ground.body) == ([("a", "only"), ("b", "failover"), ("c", "failover")], "c") or (
        whys(journey)[1:],
        ground.body,
    ) == ([("b", "failover"), ("c", "failover")], "c")
    assert [attempt.reason for attempt in journey.attempts] == [error.reason, error.reason, None]


@pytest.mark.parametrize("error", [REFUSED, RunestoneError(Reason.CANCELLED, "gone"), KeyError("a bug")])
async def test_what_would_be_the_same_everywhere_is_asked_once(error):
    scene = failing(Scene(THREE), a=[error])
    with pytest.raises(type(error)):
        await scene.ask()
    assert len(scene.last.attempts) == 1


async def test_a_target_is_tried_again_when_no_other_is_left():
    journey, ground = await failing(Scene(THREE), a=[FAILED], b=[FAILED], c=[FAILED]).ask()
    assert whys(journey)[3:] == [("a", "retry")]
    assert ground.body == "a"


async def test_tries_are_bounded_and_the_last_failure_is_told():
    scene = failing(Scene(THREE), a=[FAILED] * 9, b=[FAILED] * 9, c=[FAILED] * 9)
    with pytest.raises(RunestoneError) as error:
        await scene.ask()
    assert error.value.reason is Reason.PROVIDER_FAILED
    assert [name for name, _ in whys(scene.last)] == ["a", "b", "c", "a", "b", "c"]


async def test_a_provider_that_says_when_is_asked_then():
    """Its hint is kept, where it is not too long; nobody is asked before."""
    scene = failing(Scene(THREE), a=[SOON], b=[REFUSED], c=[])
    scene = Scene(THREE.replace(", {provider: b, model: x, priority: 1}, {provider: c, model: x, priority: 2}", ""))
    failing(scene, a=[SOON])
    begun = asyncio.get_running_loop().time()
    journey, _ = await scene.ask()
    assert whys(journey) == [("a", "only"), ("a", "retry")]
    assert asyncio.get_running_loop().time() - begun >= 0.02


async def test_a_hint_that_is_too_long_is_the_clients():
    scene = Scene(THREE.replace(", {provider: b, model: x, priority: 1}, {provider: c, model: x, priority: 2}", ""))
    failing(scene, a=[RunestoneError(Reason.PROVIDER_OVERLOADED, "later", retry_after=60.0)])
    with pytest.raises(RunestoneError) as error:
        await scene.ask()
    assert (error.value.retry_after, len(scene.last.attempts)) == (60.0, 1)


async def test_of_several_hints_the_soonest_is_told():
    scene = failing(Scene(THREE), a=[RATE_LIMITED])
    for name, seconds in (("b", 9.0), ("c", 30.0)):
        failing(scene, **{name: [RunestoneError(Reason.PROVIDER_RATE_LIMITED, "slowly", retry_after=seconds)] * 3})
    scene.played["a"].scripts.extend([[RATE_LIMITED]] * 3)
    with pytest.raises(RunestoneError) as error:
        await scene.ask()
    assert error.value.retry_after == 1.5


async def test_what_has_begun_is_not_asked_again():
    scene = Scene(THREE)
    scene.played["a"].scripts.append([OK, said("half"), FAILED])
    ground = Ground()
    with pytest.raises(RunestoneError):
        await scene.ask(ground=ground)
    assert (ground.body, len(scene.last.attempts)) == ("half", 1)


async def test_an_answer_that_was_accepted_and_brought_nothing_gives_way_to_another():
    scene = Scene(THREE)
    scene.played["a"].scripts.append([OK, FAILED])
    _, ground = await scene.ask()
    assert [attempt.provider for attempt in ground.accepted] == ["a", "b"]
    assert ground.body == "b"


async def test_nothing_is_tried_that_would_come_too_late():
    scene = Scene(THREE.replace("backoff: 1ms", "backoff: 50s, max_backoff: 50s"), seed=3)
    failing(scene, a=[FAILED] * 9, b=[FAILED] * 9, c=[FAILED] * 9)
    ground = Ground()
    ground.deadline = scene.clock.monotonic() + 0.5
    with pytest.raises(RunestoneError):
        await scene.ask(ground=ground)
    assert len(scene.last.attempts) == 3


async def test_when_everything_fails_the_upstream_calls_stay_within_the_budget():
    scene = Scene(THREE)
    for played in scene.played.values():
        played.scripts.extend([[FAILED]] * 5_000)
    for _ in range(1_000):
        with pytest.raises(RunestoneError):
            await scene.ask()
        scene.clock.advance(0.005)
    made = sum(len(played.calls) for played in scene.played.values())
    assert made <= 1_200
    assert made >= 1_000  # every call was still given its chance


async def test_a_target_that_keeps_failing_is_left_alone_and_comes_back():
    scene = failing(Scene(THREE), a=[FAILED] * 5)
    for _ in range(20):
        _, ground = await scene.ask()
        assert ground.body == "b"
    assert len(scene.played["a"].calls) == 5
    scene.clock.advance(3)
    assert (await scene.ask())[1].body == "a"


async def test_where_all_are_left_alone_one_is_asked_all_the_same():
    """A call is not lost that some target could answer."""
    scene = Scene(THREE)
    for name in "abc":
        while scene.health(name).admits(scene.clock.monotonic()):
            failing(scene, **{name: [FAILED]})
            with contextlib.suppress(RunestoneError):
                await scene.ask(provider=name)
    failing(scene, a=[FAILED])
    _, ground = await scene.ask()
    assert ground.body == "b"


FALLBACKS = """
providers: [{name: a, kind: openai, retries: {attempts: 0}}, {name: b, kind: openai, retries: {attempts: 0}}]
models:
  - {name: m, targets: [{provider: a, model: x}], fallbacks: [n, o]}
  - {name: n, targets: [{provider: b, model: y}]}
  - {name: o, targets: [{provider: b, model: z}], on_loss: drop}
"""


async def test_fallbacks_are_asked_in_turn_as_their_own_routes_say():
    scene = failing(Scene(FALLBACKS), a=[FAILED], b=[FAILED])
    journey, ground = await scene.ask()
    assert [(one.route, one.model, one.why) for one in journey.attempts[1:]] == [
        ("n", "y", "fallback"),
        ("o", "z", "fallback"),
    ]
    assert [call.is_strict for call in scene.played["b"].calls] == [True, False]
    assert (ground.body, scene.extra("fallback")) == ("b", 2)


async def test_a_request_that_is_wrong_does_not_fall_back_and_one_that_is_too_long_does():
    scene = failing(Scene(FALLBACKS), a=[REFUSED, TOO_LONG])
    with pytest.raises(RunestoneError):
        await scene.ask()
    assert len(scene.last.attempts) == 1
    assert (await scene.ask())[1].body == "b"


async def test_fallbacks_of_fallbacks_are_not_asked():
    scene = failing(Scene(FALLBACKS), b=[FAILED])
    with pytest.raises(RunestoneError):
        await scene.ask("n")
    assert len(scene.last.attempts) == 1


async def test_extra_calls_are_counted_by_route_and_reason():
    scene = failing(Scene(THREE), a=[FAILED])
    await scene.ask()
    text = scene.metrics.exposition().decode()
    assert 'upstream_extra_calls_total{reason="PROVIDER_FAILED",route="m",why="failover"} 1.0' in text or (
        scene.extra("failover") == 1
    )


async def test_a_target_that_is_asked_too_much_is_not_asked_first_for_as_long_as_it_says():
    scene = failing(Scene(THREE), a=[RATE_LIMITED])
    await scene.ask()
    assert whys((await scene.ask())[0]) == [("b", "weighted")]
    scene.clock.advance(1.5)
    assert whys((await scene.ask())[0]) == [("a", "weighted")]


async def test_the_only_target_is_asked_however_much_it_has_to_do():
    """As many calls at once as come: it does not fail."""
    scene = Scene(THREE.replace(", {provider: b, model: x, priority: 1}, {provider: c, model: x, priority: 2}", ""))
    failing(scene, a=[RunestoneError(Reason.PROVIDER_OVERLOADED, "busy", upstream_status=529, retry_after=9.0)])
    with pytest.raises(RunestoneError):
        await scene.ask()
    assert not scene.health("a").is_well(scene.clock.monotonic())
    scene.health("a").running = 1_000
    assert whys((await scene.ask())[0]) == [("a", "only")]


async def test_what_was_not_sent_costs_nothing_of_the_budget():
    """A provider whose keys all pause says so without an upstream call."""
    unsent = RunestoneError(Reason.PROVIDER_RATE_LIMITED, "paused", retry_after=9.0, may_have_begun=False)
    scene = failing(Scene(THREE), a=[unsent] * 50)
    bodies = [(await scene.ask())[1].body for _ in range(50)]
    assert bodies == ["b"] * 50
    assert [attempt.is_sent for attempt in scene.last.attempts] == [False, True]


async def test_a_target_whose_probe_begins_to_answer_is_everybodys_again():
    """Nobody waits until a long stream is over."""
    scene = failing(Scene(THREE), a=[FAILED] * 5)
    for _ in range(5):
        await scene.ask()
    assert not scene.health("a").admits(scene.clock.monotonic())
    scene.clock.advance(3)
    over = asyncio.get_running_loop().create_future()
    scene.played["a"].scripts.append([OK, said("long"), over])
    probe = asyncio.ensure_future(scene.ask())
    while not scene.health("a").running:
        await asyncio.sleep(0)
    for _ in range(3):
        assert (await scene.ask())[1].body == "a"
    over.set_result(None)
    assert (await probe)[1].body == "long"


ONE = THREE.replace(", {provider: b, model: x, priority: 1}, {provider: c, model: x, priority: 2}", "")


@pytest.mark.parametrize("failures", [[FAILED] * 5, [None, FAILED] * 10], ids=["open", "ejected"])
async def test_a_busy_target_that_failed_a_few_times_is_asked_all_the_same_where_it_is_the_only_one(failures):
    """Long streams that began when it was well are in nobody's way."""
    scene = Scene(ONE.replace("attempts: 1", "attempts: 0"))
    health = scene.health("a")
    for _ in range(100):
        health.enter(scene.clock.monotonic())
    for failure in failures:
        scene.played["a"].scripts.append([OK, said("a")] if failure is None else [failure])
        with contextlib.suppress(RunestoneError):
            await scene.ask()
    assert not health.admits(scene.clock.monotonic())
    assert (await scene.ask())[1].body == "a"


async def test_calls_that_fail_together_open_a_breaker_and_are_tried_again_all_the_same():
    """As when a provider restarts, or one batch of many calls fails: a retry may be all that it takes."""
    scene = Scene(ONE)
    reset = asyncio.get_running_loop().create_future()
    scene.played["a"].scripts.extend([asyncio.shield(reset), FAILED] for _ in range(10))
    asking = [asyncio.ensure_future(scene.ask()) for _ in range(10)]
    await asyncio.sleep(0)
    reset.set_result(None)
    assert [(await one)[1].body for one in asking] == ["a"] * 10


async def test_what_has_two_routes_to_go_does_not_earn_twice():
    """Of a thousand calls that all go on with a fallback at most 200 may."""
    scene = Scene(
        FALLBACKS.replace("attempts: 0}", "attempts: 0}, breaker: {failures: 100000}, ejection: {calls: 100000}")
    )
    scene.played["a"].scripts.extend([[FAILED]] * 1_000)
    for _ in range(1_000):
        with contextlib.suppress(RunestoneError):
            await scene.ask()
    assert 150 <= scene.extra("fallback") <= 200


def leave_alone(scene, *names):
    """Their breakers are open, and all last resorts taken."""
    now = scene.clock.monotonic()
    for name, model in names:
        health = scene.health(name, model)
        for _ in range(5):
            health.leave(Outcome.FAILED, now, Reason.PROVIDER_FAILED, health.enter(now))
        for _ in range(LAST_RESORTS):
            health.enter(now)


async def test_who_is_not_asked_at_all_hears_when_it_may_be():
    scene = Scene(ONE)
    leave_alone(scene, ("a", "x"))
    with pytest.raises(RunestoneError) as error:
        await scene.ask()
    assert (error.value.reason, error.value.retry_after) == (Reason.PROVIDER_OVERLOADED, pytest.approx(2.0))


async def test_a_fallback_that_cannot_answer_does_not_hide_why_the_route_did_not():
    scene = Scene(FALLBACKS.replace("[n, o]", "[n]"))
    scene.routes.seats["b"].dialects = frozenset({DIALECT_OPENAI_EMBEDDINGS})
    leave_alone(scene, ("a", "x"))
    with pytest.raises(RunestoneError) as error:
        await scene.ask()
    assert (error.value.reason, error.value.retry_after) == (Reason.PROVIDER_OVERLOADED, pytest.approx(2.0))


async def test_a_healthy_fallback_is_asked_before_the_last_resorts_of_a_route_that_fails():
    """And as nothing is asked in vain before it, that costs nothing of the budget: no call is lost while a provider is down."""
    scene = Scene(FALLBACKS)
    scene.played["a"].scripts.extend([[FAILED]] * 1_000)
    bodies = [(await scene.ask())[1].body for _ in range(200)]
    assert bodies == ["b"] * 200
    assert len(scene.played["a"].calls) == 5


async def test_where_no_fallback_can_answer_a_last_resort_is_asked_all_the_same():
    scene = Scene(FALLBACKS)
    scene.routes.seats["b"].dialects = frozenset({DIALECT_OPENAI_EMBEDDINGS})
    failing(scene, a=[FAILED] * 5)
    for _ in range(5):
        with pytest.raises(RunestoneError):
            await scene.ask()
    assert not scene.health("a").admits(scene.clock.monotonic())
    assert (await scene.ask())[1].body == "a"
