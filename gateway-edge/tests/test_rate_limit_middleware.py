"""Admission: exact refusals, no rpc where a lease will do, and a limiter that is down never means unlimited."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from chassis.config.schema import Key, Limits, PartLimit, Tenant
from chassis.errors import Reason, RunestoneError
from chassis.testing import FakeClock
from gateway_edge.call import Call
from gateway_edge.callers.tenants import principal_of
from gateway_edge.limits.leases import Leases
from gateway_edge.limits.limit import RequestLimit, per_minute
from gateway_edge.limits.local import MAX_SUBJECTS, LocalLimits
from gateway_edge.middleware.rate_limit import RateLimit

TENANT = RequestLimit(("tenant", "acme"), per_minute(10))
KEY = RequestLimit(("key", "acme", "ci"), per_minute(2))
WIDE = RequestLimit(("tenant", "acme"), per_minute(6000))


@pytest.fixture
def build(leases: Leases, clock: FakeClock) -> Callable[..., RateLimit]:
    return lambda **options: RateLimit(leases, LocalLimits(clock, share=2), **options)


@pytest.fixture
def send(build, make_call: Callable[..., Call], answering: Callable[..., Any]) -> Callable[..., Any]:
    """Sends a call under some limits through the middleware; the call, when it was admitted."""
    rate_limit = build()

    async def send(*limits: RequestLimit) -> Call:
        call = make_call(limits=limits)
        await rate_limit(call, answering(b"{}"))
        return call

    return send


async def test_no_limit_costs_no_rpc(send, limiter):
    await send()
    assert limiter.log == []


async def test_all_limits_of_a_rare_caller_are_reserved_at_once(build, make_call, answering, limiter):
    call = make_call(limits=(TENANT, KEY))
    await build(requests_per_minute=7)(call, answering(b"{}"))
    ((rpc, request),) = limiter.log
    assert rpc == "Reserve"
    assert [(list(limit.subject), limit.quantity) for limit in request.limits] == [
        (["tenant", "acme"], 10), (["key", "acme", "ci"], 2), (["pipeline", "default", "acme", "ci"], 7),
    ]  # fmt: skip
    assert call.reply.headers["x-ratelimit-limit-requests"] == "2"
    assert call.reply.headers["x-ratelimit-remaining-requests"] == "1"
    assert call.reply.headers["x-ratelimit-reset-requests"] == "30000ms"


async def test_a_pipelines_own_limit_is_counted_where_the_call_goes(build, make_call, answering, limiter):
    """Not where its tenant's calls go as a rule: two pipelines have two limits."""
    for pipeline in ("default", "streaming"):
        call = make_call()
        call.pipeline = pipeline
        await build(requests_per_minute=1)(call, answering(b"{}"))
    assert [list(request.limits[0].subject)[1] for _, request in limiter.log] == ["default", "streaming"]


async def test_limits_for_parts_count_with_all_others(build, make_call, answering, limiter):
    parts = [PartLimit(models=["sim*"], requests_per_minute=1), PartLimit(models=["other"], requests_per_minute=9)]
    tenant = Tenant(name="acme", limits=Limits(requests_per_minute=5, per=parts))
    call = make_call()
    call.principal = principal_of(tenant, Key(name="ci"))
    await build()(call, answering(b"{}"))
    ((_, request),) = limiter.log
    assert [limit.quantity for limit in request.limits] == [5, 1]
    call = make_call()
    call.principal = principal_of(tenant, Key(name="ci"))
    with pytest.raises(RunestoneError, match=r"this tenant \(sim\*\): 1 requests per minute"):
        await build()(call, answering(b"{}"))


async def test_a_refusal_says_which_limit_and_how_long(send, make_call, build, answering, limiter):
    await send(TENANT, KEY)
    await send(TENANT, KEY)
    answer, call = answering(b"{}"), make_call(limits=(TENANT, KEY))
    with pytest.raises(RunestoneError, match="this key: 2 requests per minute") as refusal:
        await build()(call, answer)
    assert (refusal.value.reason, refusal.value.retry_after) == (Reason.RATE_LIMITED, 30.0)
    assert answer.asked == 0
    assert call.reply.headers["x-ratelimit-limit-requests"] == "2"
    assert limiter.remaining(TENANT) == 8


async def test_a_busy_caller_is_admitted_without_asking(send, limiter):
    """What remains is said as before: as known, less what was used here."""
    left = [int((await send(WIDE)).reply.headers["x-ratelimit-remaining-requests"]) for _ in range(50)]
    assert left == list(range(5999, 5949, -1))
    assert limiter.rpcs == ["Reserve", "Reserve", "Lease"]


async def test_a_refused_call_puts_back_what_other_limits_had_leased(send, limiter, leases):
    """The tenant has plenty, the key none: the tenant's units serve its other keys."""
    for _ in range(20):
        await send(WIDE)
    held = leases._book.count_units(leases._now())
    await send(WIDE, KEY)
    await send(WIDE, KEY)
    for _ in range(5):
        with pytest.raises(RunestoneError, match="this key"):
            await send(WIDE, KEY)
    assert leases._book.count_units(leases._now()) == held - 2


async def test_while_the_limiter_is_down_leases_are_used_up_first(send, limiter, leases):
    for _ in range(4):
        await send(WIDE)
    limiter.is_down = True
    for _ in range(leases._book.count_units(leases._now())):
        assert "x-runestone-degraded" not in (await send(WIDE)).reply.headers
    assert (await send(WIDE)).reply.headers["x-runestone-degraded"] == "ratelimit"


async def test_while_the_limiter_is_down_open_limits_hold_at_this_workers_share(send, limiter, clock):
    """10 a minute over two workers: five pass here, the sixth is refused with a wait, and the answers are marked."""
    limiter.is_down = True
    for _ in range(5):
        assert (await send(TENANT)).reply.headers["x-runestone-degraded"] == "ratelimit"
    with pytest.raises(RunestoneError) as refusal:
        await send(TENANT)
    assert refusal.value.reason is Reason.RATE_LIMITED
    clock.advance(refusal.value.retry_after)
    await send(TENANT)


async def test_while_the_limiter_is_down_closed_limits_refuse(build, make_call, answering, limiter):
    limiter.is_down = True
    with pytest.raises(RunestoneError) as refusal:
        await build(when_down="closed")(make_call(limits=(TENANT,)), answering(b"{}"))
    assert refusal.value.reason is Reason.LIMITER_UNAVAILABLE and refusal.value.retry_after == 1.0


async def test_a_call_that_is_cancelled_while_it_waits_puts_back_what_it_held(send, limiter, leases):
    for _ in range(4):
        await send(WIDE)
    held = leases._book.count_units(leases._now())
    limiter.gate.clear()
    waiting = asyncio.create_task(send(WIDE, KEY))
    while limiter.rpcs[-1] != "Reserve" and len(limiter.log) < 5:
        await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    limiter.gate.set()
    assert leases._book.count_units(leases._now()) == held


def test_local_limits_are_bounded(clock: FakeClock):
    local = LocalLimits(clock)
    for number in range(MAX_SUBJECTS + 50):
        local.reserve([RequestLimit(("tenant", str(number)), per_minute(1))])
    assert len(local._arrivals) == MAX_SUBJECTS
