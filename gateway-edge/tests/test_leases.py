"""Asking for calls that wait, renewing, returning, and what holds while nobody answers."""

import asyncio
from collections import Counter
from collections.abc import Callable
from itertools import pairwise

from chassis.breaker import Breaker
from chassis.context import CallContext, bind, current
from chassis.errors import Reason, RunestoneError
from chassis.metrics import Metrics
from chassis.testing import FakeClock
from gateway_edge.limits import leases as leases_module
from gateway_edge.limits.book import LeaseBook
from gateway_edge.limits.leases import IDLE, Leases
from gateway_edge.limits.limit import RequestLimit, per_minute
from gateway_edge.limits.metrics import LeaseMetrics

TENANT = RequestLimit(("tenant", "acme"), per_minute(6000))
KEY = RequestLimit(("key", "acme", "ci"), per_minute(600))
TIGHT = RequestLimit(("tenant", "tight"), per_minute(50))


async def admit(leases: Leases, *limits: RequestLimit) -> str:
    """What became of a call: admitted by a `lease`, by `ratelimit`, `refused`, or decided by `nobody`."""
    with leases.hold(limits) as hold:
        if hold.is_whole:
            hold.keep()
            return "lease"
        verdicts = await leases.reserve(hold.lacking)
        if verdicts is None:
            return "nobody"
        if all(verdict.is_admitted for verdict in verdicts):
            hold.keep()
            return "ratelimit"
        return "refused"


async def crowd(leases: Leases, calls: int, *limits: RequestLimit) -> Counter[str]:
    return Counter(await asyncio.gather(*(admit(leases, *limits) for _ in range(calls))))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


async def warm(leases: Leases, limiter, *limits: RequestLimit) -> None:
    """Until there is a lease."""
    while limiter.rpcs[-1:] != ["Lease"]:
        await admit(leases, *limits)


async def test_a_caller_who_comes_seldom_is_asked_for_call_by_call(leases, limiter, clock):
    for _ in range(5):
        assert await admit(leases, TENANT, KEY) == "ratelimit"
        clock.advance(1.5)
    assert limiter.rpcs == ["Reserve"] * 5


async def test_a_busy_caller_asks_about_once_a_second(leases, limiter, clock):
    """100 calls a second for ten seconds."""
    for _ in range(1000):
        await admit(leases, TENANT)
        await asyncio.sleep(0)
        clock.advance(0.01)
    assert len(limiter.log) < 20


async def test_a_crowd_that_comes_at_once_is_asked_for_together(leases, limiter):
    outcomes = await crowd(leases, 300, TENANT, KEY)
    assert outcomes.total() - outcomes["refused"] == 300
    assert len(limiter.log) <= 3


async def test_a_crowd_at_the_limit_is_admitted_exactly_to_the_limit(leases, limiter):
    outcomes = await crowd(leases, 500, TIGHT)
    assert outcomes["refused"] == 450
    assert limiter.remaining(TIGHT) == 0
    assert len(limiter.log) <= 4


async def test_two_edges_at_one_limit_are_admitted_exactly_to_the_limit(limiter, clock, spawn):
    edges = [
        Leases(limiter, Breaker(clock=clock), clock=clock, spawn=spawn, metrics=LeaseMetrics(Metrics()))
        for _ in range(2)
    ]
    outcomes = await asyncio.gather(*(crowd(edge, 250, TIGHT) for edge in edges))
    out = sum(edge._book.count_units(edge._now()) for edge in edges)
    admitted = 500 - sum(outcome["refused"] for outcome in outcomes)
    assert 50 - out <= admitted <= 50


async def test_every_refusal_is_the_limiters_and_exact(leases, limiter, clock):
    await crowd(leases, 50, TIGHT)
    limits = (TIGHT,)
    (verdict,) = await leases.reserve(limits)
    assert (verdict.is_admitted, verdict.retry_after) == (False, 1_200_000)
    clock.advance(1.2)
    assert await admit(leases, TIGHT) != "refused"
    assert await admit(leases, TIGHT) == "refused"


async def test_a_lease_is_renewed_before_it_is_dry_and_no_call_waits_for_it(leases, limiter):
    await warm(leases, limiter, TENANT)
    asked = len(limiter.log)
    limiter.gate.clear()
    for _ in range(80):
        assert await admit(leases, TENANT) == "lease"
        await asyncio.sleep(0)
    assert limiter.rpcs[asked:] == ["Lease"]
    assert limiter.log[-1][1].calls == 0
    limiter.gate.set()


async def test_calls_that_find_nothing_left_wait_for_the_renewal_that_is_under_way(leases, limiter):
    await warm(leases, limiter, TENANT)
    asked = len(limiter.log)
    limiter.gate.clear()
    while await admit_at_once(leases, TENANT):
        await asyncio.sleep(0)
    waiting = [asyncio.create_task(admit(leases, TENANT)) for _ in range(20)]
    await asyncio.sleep(0.001)
    assert limiter.rpcs[asked:] == ["Lease"]
    limiter.gate.set()
    assert await asyncio.gather(*waiting) == ["ratelimit"] * 20
    assert limiter.rpcs[asked:] == ["Lease"]


async def admit_at_once(leases: Leases, *limits: RequestLimit) -> bool:
    with leases.hold(limits) as hold:
        if hold.is_whole:
            hold.keep()
        return hold.is_whole


async def test_a_renewal_that_is_not_granted_is_not_repeated(leases, limiter):
    """Near the limit there is nothing to take ahead; asking for it with every call would double the requests."""
    await crowd(leases, 45, TIGHT)
    for pair in pairwise([(len(limiter.log), await admit(leases, TIGHT)) for _ in range(12)]):
        (before, _), (after, _) = pair
        assert after - before <= 1


async def test_only_the_limits_that_lack_units_are_asked_for(leases, limiter):
    await warm(leases, limiter, TENANT)
    await admit(leases, TENANT, KEY)
    rpc, request = limiter.log[-1]
    assert rpc == "Reserve"
    assert [tuple(limit.subject) for limit in request.limits] == [KEY.subject]


async def test_a_call_that_leaves_while_it_waits_leaves_the_others_alone(leases, limiter):
    limiter.gate.clear()
    calls = [asyncio.create_task(admit(leases, TIGHT)) for _ in range(20)]
    await until(lambda: len(limiter.log) == 1)
    for call in calls[::2]:
        call.cancel()
    limiter.gate.set()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes[::2]] == [asyncio.CancelledError] * 10
    assert outcomes[1::2] == ["ratelimit"] * 10


async def test_one_calls_deadline_is_not_the_others(leases, limiter, monkeypatch):
    """The request outlives the call that began it."""
    deadlines = []

    async def look(*_: object) -> None:
        deadlines.append(current().deadline)

    monkeypatch.setattr(limiter, "_hear", look)
    bind(CallContext(deadline=1.0))
    await admit(leases, TIGHT)
    assert deadlines == [None]


async def test_a_limiter_that_does_not_answer_leaves_the_decision_to_the_caller(leases, limiter):
    limiter.is_down = True
    assert await crowd(leases, 20, TENANT) == {"nobody": 20}


async def test_a_limiter_that_failed_often_is_left_alone_for_a_moment(leases, limiter, clock):
    limiter.is_down = True
    for _ in range(20):
        await admit(leases, TENANT)
    assert len(limiter.log) == 5
    limiter.is_down = False
    clock.advance(1.5)
    assert await admit(leases, TENANT) == "ratelimit"


async def test_a_lease_nobody_uses_any_more_is_returned(leases, limiter, clock, monkeypatch):
    monkeypatch.setattr(leases_module, "SWEEP", 0)
    burst = RequestLimit(("tenant", "bursty"), per_minute(600))
    await crowd(leases, 50, burst)
    await admit(leases, burst)
    held, free = leases._book.count_units(leases._now()), limiter.remaining(burst)
    assert held > 20
    clock.advance((IDLE + 1) / 1e6)
    await until(lambda: "Return" in limiter.rpcs)
    assert limiter.remaining(burst) >= free + held
    await until(lambda: not leases._is_sweeping)
    assert len(leases._book) == 0


async def test_a_lease_in_use_is_not_returned(leases, limiter, clock, monkeypatch):
    monkeypatch.setattr(leases_module, "SWEEP", 0)
    for _ in range(200):
        await admit(leases, TENANT)
        clock.advance(0.02)
        await asyncio.sleep(0)
    assert "Return" not in limiter.rpcs


async def test_draining_returns_everything_and_takes_nothing_more(leases, limiter):
    await warm(leases, limiter, TENANT)
    await warm(leases, limiter, KEY)
    used = 6000 - limiter.remaining(TENANT) - leases._book.count_units(leases._now())
    await leases.drain(5)
    assert limiter.rpcs[-1] == "Return"
    assert limiter.remaining(TENANT) == 6000 - used
    for _ in range(10):
        assert await admit(leases, TENANT) == "ratelimit"
    assert leases._book.count_units(leases._now()) == 0


async def test_draining_does_not_wait_for_a_limiter_that_hangs(leases, limiter):
    await warm(leases, limiter, TENANT)
    limiter.gate.clear()
    await asyncio.wait_for(leases.drain(0.01), 5)
    limiter.gate.set()


async def test_leftovers_that_cannot_be_returned_are_let_go(leases, limiter):
    await warm(leases, limiter, TENANT)
    limiter.is_down = True
    await leases.drain(5)
    assert leases._book.count_units(leases._now()) == 0


async def test_leases_of_many_limits_are_bounded_and_returned_in_parts(limiter, clock, spawn):
    leases = Leases(
        limiter,
        Breaker(clock=clock),
        clock=clock,
        spawn=spawn,
        metrics=LeaseMetrics(Metrics()),
        book=LeaseBook(max_limits=50),
    )
    limits = [RequestLimit(("tenant", str(number)), per_minute(6000)) for number in range(120)]
    for limit in limits:
        await crowd(leases, 5, limit)
    assert len(leases._book) == 50
    await leases.drain(5)
    returned = [len(request.leftovers) for rpc, request in limiter.log if rpc == "Return"]
    assert sum(returned) == 120
    assert max(returned) == 32
    assert all(limiter.remaining(limit) == 5995 for limit in limits)


async def test_too_many_calls_that_wait_are_refused(leases, limiter, monkeypatch):
    monkeypatch.setattr(leases_module, "MAX_WAITING", 3)
    limiter.gate.clear()
    calls = [asyncio.create_task(admit(leases, TENANT)) for _ in range(8)]
    await until(lambda: sum(call.done() for call in calls) > 0)
    limiter.gate.set()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, RunestoneError)]
    assert {error.reason for error in refused} == {Reason.OVERLOADED}
    assert outcomes.count("ratelimit") == 8 - len(refused) >= 3


async def test_who_decided_is_counted_and_what_is_out_is_shown(limiter, clock: FakeClock, spawn):
    metrics = Metrics()
    leases = Leases(limiter, Breaker(clock=clock), clock=clock, spawn=spawn, metrics=LeaseMetrics(metrics))
    for _ in range(10):
        await admit(leases, TENANT)
    limiter.is_down = True
    await admit(leases, TIGHT)
    exposition = metrics.exposition().decode()
    assert 'runestone_limit_decisions_total{by="ratelimit"} 3.0' in exposition
    assert 'runestone_limit_decisions_total{by="lease"} 7.0' in exposition
    assert 'runestone_limit_decisions_total{by="nobody"} 1.0' in exposition
    assert "runestone_limit_leases 1.0" in exposition
    assert f"runestone_limit_leased_units {leases._book.count_units(leases._now())}.0" in exposition
