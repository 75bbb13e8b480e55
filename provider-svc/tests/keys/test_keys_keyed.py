"""Which key takes a call, what happens when none can, and what is told."""

import asyncio

import pytest
from keys.inner import call_of, keyed_of, rate_limited, refused

from chassis.clock import SystemClock
from chassis.errors import Reason, RunestoneError
from chassis.logs import get_logger
from chassis.metrics import Metrics
from chassis.testing import FakeClock
from provider_svc.keys.telemetry import KeyTelemetry
from provider_svc.provider import Gathered


async def settle():
    for _ in range(5):
        await asyncio.sleep(0)


class Desk:
    """Calls of a provider with keys of these weights."""

    def __init__(self, weights=(1,), clock=None, **options):
        self.clock = clock or FakeClock()
        self.keyed, self.inners = keyed_of(self.clock, weights, **options)
        self.tasks = {}

    async def begin(self, *names, **options):
        for name in names:
            self.tasks[name] = asyncio.ensure_future(self.keyed.call(call_of(name, **options), Gathered()))
        await settle()

    async def end(self, name, error=None):
        next(inner for inner in self.inners if name in inner.running).end(name, error)
        await settle()

    async def ask(self, name="x", error=None, **options):
        """One call from its begin to its end; what it raised."""
        await self.begin(name, **options)
        if not self.tasks[name].done():
            self.clock.advance(0.1)
            await self.end(name, error)
        return self.tasks[name].exception()

    @property
    def began(self):
        return [inner.began for inner in self.inners]

    async def stop(self):
        for task in self.tasks.values():
            task.cancel()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)
        assert [state[1:4:2] for state in self.keyed.statistics()] == [(0, 0)] * len(self.inners)


@pytest.fixture
async def desk_of():
    desks = []

    def make(*arguments, **options):
        desks.append(Desk(*arguments, **options))
        return desks[-1]

    yield make
    for desk in desks:
        await desk.stop()


@pytest.mark.parametrize(("weights", "shares"), [((1, 1), [6, 6]), ((3, 1), [9, 3]), ((1, 2, 3), [2, 4, 6])])
async def test_calls_one_after_another_take_turns_by_weight(desk_of, weights, shares):
    desk = desk_of(weights)
    for number in range(12):
        await desk.ask(f"c{number}")
    assert [len(began) for began in desk.began] == shares


@pytest.mark.parametrize(("weights", "shares"), [((1, 1), [6, 6]), ((3, 1), [9, 3])])
async def test_calls_at_once_are_spread_by_weight(desk_of, weights, shares):
    desk = desk_of(weights)
    await desk.begin(*(f"c{number}" for number in range(12)))
    assert [state.running for state in desk.keyed.statistics()] == shares


async def test_who_was_left_out_for_a_while_does_not_catch_up(desk_of):
    desk = desk_of((1, 1))
    await desk.ask("first", rate_limited(30))
    for number in range(10):
        await desk.ask(f"c{number}")
    desk.clock.advance(30)
    for number in range(10):
        await desk.ask(f"d{number}")
    assert len(desk.began[0]) - 1 in {5, 6}


async def test_what_is_kept_is_asked_for_with_the_first_key(desk_of):
    desk = desk_of((1, 5))
    for number in range(3):
        assert await desk.ask(f"c{number}", is_kept=True) is None
    assert desk.began == [["c0", "c1", "c2"], []]


async def test_a_refused_call_raises_that_and_the_next_has_another_key(desk_of):
    """It is not asked twice for one call: who counts the attempts decides."""
    desk = desk_of((1, 1))
    error = await desk.ask("a", rate_limited(20))
    assert (error.message, error.retry_after) == ("slower", 0.0)
    assert await desk.ask("b") is None
    assert await desk.ask("c") is None
    assert desk.began == [["a"], ["b", "c"]]


async def test_when_every_key_is_paused_nobody_is_asked_and_the_hint_is_exact(desk_of):
    desk = desk_of((1, 1))
    await desk.ask("a", rate_limited(20))
    error = await desk.ask("b", rate_limited(3.5))
    assert error.retry_after == 3.5
    desk.clock.advance(1.25)
    error = await desk.ask("c")
    assert (error.reason, error.retry_after, error.upstream_status) == (Reason.PROVIDER_RATE_LIMITED, 2.25, 429)
    assert error.may_have_begun is False
    assert all(key.paused for key in desk.keyed.statistics())
    desk.clock.advance(2.25)
    assert not all(key.paused for key in desk.keyed.statistics())
    assert await desk.ask("d") is None
    assert desk.began == [["a"], ["b", "d"]]


async def test_a_paused_model_leaves_the_others_of_its_key_alone(desk_of):
    desk = desk_of()
    await desk.ask("a", rate_limited(20), model="busy")
    assert (await desk.ask("b", model="busy")).reason is Reason.PROVIDER_RATE_LIMITED
    assert await desk.ask("c", model="idle") is None
    assert await desk.ask("d", is_kept=True) is None


async def test_the_hint_of_a_provider_with_one_key_is_its_own(desk_of):
    assert (await desk_of().ask("a", rate_limited(300))).retry_after == 300
    assert (await desk_of().ask("a", rate_limited())).retry_after == 0.5


async def test_a_short_pause_is_waited_for(desk_of):
    desk = desk_of(clock=SystemClock())
    desk.clock.advance = lambda seconds: None
    await desk.ask("a", rate_limited(0.03))
    await desk.begin("b")
    assert not desk.tasks["b"].done()
    async with asyncio.timeout(5):
        while not desk.inners[0].running:
            await asyncio.sleep(0.005)
    await desk.end("b")
    assert desk.tasks["b"].result() is None


async def test_who_waits_for_a_place_gets_a_key_whose_pause_ends_first(desk_of):
    desk = desk_of((1, 1), clock=SystemClock(), max=1)
    desk.clock.advance = lambda seconds: None
    await desk.ask("a", rate_limited(0.08))
    await desk.begin("b", "c")
    assert desk.began == [["a"], ["b"]]
    async with asyncio.timeout(5):
        while "c" not in desk.inners[0].running:
            await asyncio.sleep(0.005)


async def test_a_refused_key_is_left_alone_for_a_minute_while_there_is_another(desk_of):
    desk = desk_of((5, 1))
    error = await desk.ask("a", refused())
    assert (error.reason, error.retry_after) == (Reason.PROVIDER_CREDENTIALS_REFUSED, 0.0)
    for number in range(5):
        assert await desk.ask(f"b{number}") is None
    desk.clock.advance(60)
    assert await desk.ask("c") is None
    assert [len(began) for began in desk.began] == [2, 5]


async def test_when_all_are_refused_the_provider_says_so_itself(desk_of):
    """Anything else would hide from the operator what has to be done."""
    desk = desk_of((1, 1))
    errors = [await desk.ask(name, refused()) for name in "abc"]
    assert {error.reason for error in errors} == {Reason.PROVIDER_CREDENTIALS_REFUSED}
    assert [error.retry_after for error in errors] == [0.0, None, None]


async def test_what_a_good_key_may_not_have_costs_it_nothing(desk_of):
    desk = desk_of((1, 1))
    await desk.ask("a", refused(403))
    assert [state.paused for state in desk.keyed.statistics()] == [0, 0]


async def test_calls_over_the_limit_wait_and_the_longest_waiting_is_next(desk_of):
    desk = desk_of(max=2)
    await desk.begin("a", "b", "c", "d", "e")
    assert desk.keyed.statistics()[0][1:4] == (2, 2, 3)
    await desk.end("b")
    await desk.end("a")
    assert desk.began == [["a", "b", "c", "d"]]


async def test_too_many_that_wait_are_refused_at_once(desk_of):
    desk = desk_of(max=1, queue=1)
    await desk.begin("a", "b", "c")
    error = desk.tasks["c"].exception()
    assert (error.reason, error.retry_after, error.may_have_begun) == (Reason.OVERLOADED, 1.0, False)
    assert not desk.tasks["b"].done()


async def test_nobody_waits_longer_than_a_connection_may_take(desk_of):
    desk = desk_of(max=1, patience=0.01)
    await desk.begin("a", "b")
    with pytest.raises(RunestoneError) as error:
        await desk.tasks["b"]
    assert (error.value.reason, error.value.retry_after) == (Reason.OVERLOADED, 1.0)
    await desk.end("a")
    assert desk.began == [["a"]]


async def test_who_waits_is_told_when_the_last_key_is_paused(desk_of):
    desk = desk_of((1, 1), max=1)
    await desk.begin("a", "b", "c")
    await desk.end("a", rate_limited(9))
    assert not desk.tasks["c"].done()
    await desk.end("b", rate_limited(7))
    assert (desk.tasks["c"].exception().reason, desk.tasks["c"].exception().retry_after) == (
        Reason.PROVIDER_RATE_LIMITED,
        7,
    )


async def test_a_place_granted_to_who_has_just_left_goes_to_the_next(desk_of):
    desk = desk_of(max=1)
    await desk.begin("a", "b", "c")
    desk.inners[0].end("a")
    while not desk.tasks["a"].done():
        await asyncio.sleep(0)
    desk.tasks["b"].cancel()
    await settle()
    assert desk.tasks["b"].cancelled()
    assert desk.began == [["a", "c"]]


async def test_overload_lowers_the_limit_and_pauses_nothing(desk_of):
    desk = desk_of(max=100, min=1)
    await desk.begin(*(f"c{number}" for number in range(20)))
    desk.clock.advance(1)
    await desk.end("c0", RunestoneError(Reason.PROVIDER_OVERLOADED, "too much", upstream_status=529))
    await desk.end("c1", RunestoneError(Reason.PROVIDER_OVERLOADED, "sick", upstream_status=503))
    assert desk.keyed.statistics()[0][1:] == (18, 14, 0, 0.0)


async def test_a_limit_that_grows_lets_those_in_who_wait(desk_of):
    desk = desk_of(max=100, min=1)
    await desk.begin(*(f"c{number}" for number in range(4)))
    desk.clock.advance(1)
    await desk.end("c0", rate_limited(0.01))
    desk.clock.advance(30)
    await desk.begin("d0", "d1", "d2")
    assert desk.keyed.statistics()[0][1:4] == (3, 2, 3)
    desk.inners[0].answer("c1")  # and goes on
    await settle()
    assert desk.keyed.statistics()[0][1:4] == (6, 25, 0)


async def test_keys_are_told_of_by_name():
    metrics, clock = Metrics(), FakeClock()
    keyed, inners = keyed_of(clock, (1, 1), observer=KeyTelemetry(metrics, get_logger("test")), max=7)
    task = asyncio.ensure_future(keyed.call(call_of("a"), Gathered()))
    await settle()
    lines = metrics.exposition().decode().splitlines()
    assert 'runestone_upstream_key_limit{key="k1",provider="p"} 7.0' in lines
    assert 'runestone_upstream_key_running{key="k0",provider="p"} 1.0' in lines
    assert repr(keyed).startswith("Keyed(p, Desk(k0 1 of 7, k1 0 of 7; 0 waiting)")
    inners[0].end("a", rate_limited(5))
    await asyncio.gather(task, return_exceptions=True)
    assert 'runestone_upstream_key_pauses_total{key="k0",provider="p"} 1.0' in metrics.exposition().decode()
    await keyed.close()
    await keyed.close()
    assert "key_limit{" not in metrics.exposition().decode()
    assert [inner.closed for inner in inners] == [2, 2]


async def test_a_provider_that_is_opened_anew_is_shown_once():
    metrics, clock = Metrics(), FakeClock()
    telemetry = KeyTelemetry(metrics, get_logger("test"))
    old, _ = keyed_of(clock, observer=telemetry, max=7)
    keyed_of(clock, observer=telemetry, max=9)
    await old.close()
    assert 'runestone_upstream_key_limit{key="k0",provider="p"} 9.0' in metrics.exposition().decode()
