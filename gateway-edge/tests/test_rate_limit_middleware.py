"""Admission: exact refusals, and a limiter that is down never means unlimited."""

from collections.abc import Callable
from typing import Any

import pytest

from chassis.breaker import Breaker
from chassis.errors import Reason, RunestoneError
from chassis.testing import FakeClock
from gateway_edge.call import Call
from gateway_edge.local_limits import MAX_SUBJECTS, LocalLimits
from gateway_edge.middleware.rate_limit import RateLimit
from gateway_edge.tenants import RequestLimit, per_minute
from runestone.ratelimit.v1.ratelimit_pb2 import LimitState, ReserveRequest, ReserveResponse

TENANT = RequestLimit(("tenant", "acme"), per_minute(10))
KEY = RequestLimit(("key", "acme", "ci"), per_minute(2))


class FakeLimiter:
    def __init__(self, *refused: int) -> None:
        self.refused, self.requests, self.is_down = refused, [], False

    async def Reserve(self, request: ReserveRequest) -> ReserveResponse:
        self.requests.append(request)
        if self.is_down:
            raise RunestoneError(Reason.UNAVAILABLE, "down")
        states = [
            LimitState(admitted=index not in self.refused, remaining=5 + index) for index in range(len(request.limits))
        ]
        for index in self.refused:
            states[index].remaining = 0
            states[index].retry_after.FromMilliseconds(1500)
        return ReserveResponse(admitted=not self.refused, states=states)


def build(limiter: FakeLimiter, clock: FakeClock, **options: Any) -> RateLimit:
    return RateLimit(limiter, LocalLimits(clock, share=2), Breaker(clock=clock), **options)


async def test_no_limit_costs_no_rpc(
    make_call: Callable[..., Call], answering: Callable[..., Any], clock: FakeClock
) -> None:
    limiter, answer = FakeLimiter(), answering(b"{}")
    await build(limiter, clock)(make_call(), answer)
    assert answer.asked == 1 and limiter.requests == []


async def test_all_limits_are_reserved_at_once(
    make_call: Callable[..., Call], answering: Callable[..., Any], clock: FakeClock
) -> None:
    limiter = FakeLimiter()
    call = make_call(limits=(TENANT, KEY))
    await build(limiter, clock, requests_per_minute=7)(call, answering(b"{}"))
    assert [(list(limit.subject), limit.quantity) for limit in limiter.requests[0].limits] == [
        (["tenant", "acme"], 10), (["key", "acme", "ci"], 2), (["pipeline", "default", "acme", "ci"], 7),
    ]  # fmt: skip
    assert call.reply.headers["x-ratelimit-remaining-requests"] == "5"


async def test_a_refusal_says_which_limit_and_how_long(
    make_call: Callable[..., Call], answering: Callable[..., Any], clock: FakeClock
) -> None:
    answer, call = answering(b"{}"), make_call(limits=(TENANT, KEY))
    with pytest.raises(RunestoneError, match="this key: 2 requests per minute") as refusal:
        await build(FakeLimiter(1), clock)(call, answer)
    assert (refusal.value.reason, refusal.value.retry_after) == (Reason.RATE_LIMITED, 1.5)
    assert answer.asked == 0
    assert call.reply.headers["x-ratelimit-limit-requests"] == "2"


async def test_while_the_limiter_is_down_open_limits_hold_at_this_workers_share(
    make_call: Callable[..., Call], answering: Callable[..., Any], clock: FakeClock
) -> None:
    """10 a minute over two workers: five pass here, the sixth is refused with a wait, and the answers are marked."""
    limiter, answer = FakeLimiter(), answering(b"{}")
    limiter.is_down = True
    rate_limit = build(limiter, clock)
    for _ in range(5):
        call = make_call(limits=(TENANT,))
        await rate_limit(call, answer)
        assert call.reply.headers["x-runestone-degraded"] == "ratelimit"
    with pytest.raises(RunestoneError) as refusal:
        await rate_limit(make_call(limits=(TENANT,)), answer)
    assert refusal.value.reason is Reason.RATE_LIMITED
    clock.advance(refusal.value.retry_after)
    await rate_limit(make_call(limits=(TENANT,)), answer)


async def test_while_the_limiter_is_down_closed_limits_refuse(
    make_call: Callable[..., Call], answering: Callable[..., Any], clock: FakeClock
) -> None:
    limiter = FakeLimiter()
    limiter.is_down = True
    with pytest.raises(RunestoneError) as refusal:
        await build(limiter, clock, when_down="closed")(make_call(limits=(TENANT,)), answering(b"{}"))
    assert refusal.value.reason is Reason.LIMITER_UNAVAILABLE and refusal.value.retry_after == 1.0


def test_local_limits_are_bounded(clock: FakeClock) -> None:
    local = LocalLimits(clock)
    for number in range(MAX_SUBJECTS + 50):
        local.reserve([RequestLimit(("tenant", str(number)), per_minute(1))])
    assert len(local._arrivals) == MAX_SUBJECTS
