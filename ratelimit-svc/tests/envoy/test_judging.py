"""What Envoy's requests are charged, over every store.

The limits here refill so slowly that no time passes for them, whichever clock a store goes by.
"""

import asyncio
from collections import Counter

import msgspec
import pytest

from chassis.config.rate_domains import RateDomain
from chassis.errors import Reason, RunestoneError
from chassis.testing import FakeClock
from ratelimit_svc.envoy.binding import Descriptor, bind
from ratelimit_svc.envoy.judge import Judge
from ratelimit_svc.envoy.rules import Domain, Rule
from ratelimit_svc.memory import MemoryStore

DAY = {"unit": "day"}
DOMAIN = Domain.of(
    msgspec.convert(
        {
            "domain": "front",
            "descriptors": [
                {"key": "ip", "rate_limit": {**DAY, "requests_per_unit": 3}},
                {"key": "ip", "value": "roomy", "rate_limit": {**DAY, "requests_per_unit": 1000}},
                {"key": "ip", "value": "banned", "rate_limit": {**DAY, "requests_per_unit": 0}},
                {"key": "ip", "value": "free", "rate_limit": {"unlimited": True}},
                {"key": "quiet", "shadow_mode": True, "rate_limit": {**DAY, "requests_per_unit": 2}},
                {"key": "hush", "shadow_mode": True, "rate_limit": {**DAY, "requests_per_unit": 0}},
            ],
        },
        RateDomain,
    )
)


def ask(value, *, key="ip", hits=1, override=None):
    return Descriptor(entries=((key, value),), hits=hits, override=override)


@pytest.fixture
def judges(clients):
    return [Judge(store, FakeClock(1_800_000_000.0)) for store in clients]


async def judge(judges, *descriptors, domain=DOMAIN, turn=0):
    return await judges[turn % len(judges)].judge(bind(domain, descriptors))


async def left(judges, value, key="ip"):
    [standing] = await judge(judges, ask(value, key=key, hits=0))
    return standing.decision.remaining


async def test_each_value_has_a_counter_of_its_own(judges):
    for value in ("1", "2"):
        standings = [(await judge(judges, ask(value), turn=turn))[0] for turn in range(4)]
        assert [one.is_refused for one in standings] == [False, False, False, True]
        assert [one.decision.remaining for one in standings] == [2, 1, 0, 0]
        assert 0 < standings[-1].decision.retry_after <= 86_400_000_000 / 3


async def test_all_descriptors_are_charged_or_none(judges):
    for _ in range(3):
        await judge(judges, ask("roomy"), ask("1"))
    for _ in range(5):
        standings = await judge(judges, ask("roomy"), ask("1"))
        assert [one.is_refused for one in standings] == [False, True]
    assert (await left(judges, "roomy"), await left(judges, "2")) == (997, 3)


async def test_hits_are_charged_whole_or_not_at_all(judges):
    assert not (await judge(judges, ask("1", hits=2)))[0].is_refused
    assert (await judge(judges, ask("1", hits=2)))[0].is_refused
    assert not (await judge(judges, ask("1", hits=1)))[0].is_refused
    [never] = await judge(judges, ask("2", hits=2**64 - 1))
    assert (never.is_refused, never.decision.remaining, never.decision.retry_after) == (True, 3, None)


async def test_no_hits_ask_without_using_and_are_refused_where_nothing_is_left(judges):
    for _ in range(5):
        [standing] = await judge(judges, ask("1", hits=0))
        assert (standing.is_refused, standing.decision.remaining) == (False, 3)
    await judge(judges, ask("1", hits=3))
    [standing] = await judge(judges, ask("1", hits=0))
    [told] = await judge(judges, ask("1", hits=1))
    assert standing.is_refused
    assert 0 <= standing.decision.retry_after - told.decision.retry_after < 60_000_000


async def test_what_only_asks_keeps_the_others_from_being_charged_where_it_is_empty(judges):
    await judge(judges, ask("1", hits=3))
    standings = await judge(judges, ask("roomy"), ask("1", hits=0))
    assert [one.is_refused for one in standings] == [False, True]
    standings = await judge(judges, ask("roomy"), ask("2", hits=0))
    assert [one.is_refused for one in standings] == [False, False]
    assert (await left(judges, "roomy"), await left(judges, "2")) == (999, 3)


async def test_descriptors_that_are_counted_together_are_charged_together(judges):
    standings = await judge(judges, ask("1"), ask("1"), ask("1", hits=0))
    assert [(one.is_refused, one.decision.remaining) for one in standings] == [(False, 1)] * 3
    standings = await judge(judges, ask("1"), ask("1"))
    assert [one.is_refused for one in standings] == [True, True]
    assert await left(judges, "1") == 1


async def test_a_limit_of_nothing_refuses_and_spares_the_others(judges):
    standings = await judge(judges, ask("roomy"), ask("banned"))
    assert [one.is_refused for one in standings] == [False, True]
    assert standings[1].decision is None
    assert await left(judges, "roomy") == 1000
    assert (await judge(judges, ask("banned", hits=0)))[0].is_refused


async def test_what_is_unlimited_or_matches_nothing_is_let_through(judges):
    free, unknown, no_domain = (
        *await judge(judges, ask("free", hits=2**63), ask("1", key="other")),
        *await judge(judges, ask("banned"), domain=None),
    )
    assert [one.is_refused for one in (free, unknown, no_domain)] == [False] * 3
    assert (free.rule.requests, unknown.rule, no_domain.rule) == (None, None, None)


async def test_a_shadow_is_counted_and_never_refuses(judges):
    over = [(await judge(judges, ask("1", key="quiet")))[0] for _ in range(4)]
    assert [(one.is_over, one.is_refused) for one in over] == [(False, False)] * 2 + [(True, False)] * 2
    [closed] = await judge(judges, ask("1", key="hush"))
    assert (closed.is_over, closed.is_refused) == (True, False)


async def test_a_shadow_that_is_over_does_not_spare_the_others(judges):
    for remaining in (2, 1, 0):
        ip, quiet = await judge(judges, ask("1"), ask("1", key="quiet", hits=3))
        assert (ip.is_refused, ip.decision.remaining, quiet.is_over) == (False, remaining, True)


async def test_a_shadow_is_not_charged_for_what_others_refuse(judges):
    await judge(judges, ask("1", hits=3))
    refused, quiet = await judge(judges, ask("1"), ask("1", key="quiet"))
    assert (refused.is_refused, quiet.is_over, quiet.decision.remaining) == (True, False, 2)


async def test_a_limit_that_is_brought_along_holds_instead_of_the_configured_one(judges):
    two = Rule(requests=2, unit="day", is_override=True)
    refused = [(await judge(judges, ask("banned", override=two)))[0].is_refused for _ in range(3)]
    assert refused == [False, False, True]
    assert (await judge(judges, ask("free", override=Rule(requests=0, unit="day", is_override=True))))[0].is_refused
    assert not (await judge(judges, ask("banned", override=two), domain=None))[0].is_refused


async def test_a_limit_that_is_brought_along_twice_has_to_be_the_same(judges):
    rules = [Rule(requests=number, unit="day", is_override=True) for number in (2, 2, 3)]
    await judge(judges, *(ask("1", override=rule) for rule in rules[:2]))
    with pytest.raises(RunestoneError) as caught:
        await judge(judges, ask("other"), *(ask("1", override=rule) for rule in rules[1:]))
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_REQUEST, "descriptors[2].limit")


async def test_replicas_that_race_never_let_more_through_than_there_is_room(judges):
    """200 requests at four replicas at once for 3 places, beside a limit that has room for all."""
    outcomes = await asyncio.gather(*(judge(judges, ask("roomy"), ask("1"), turn=turn) for turn in range(200)))
    assert Counter(any(one.is_refused for one in outcome) for outcome in outcomes) == {False: 3, True: 197}
    assert await left(judges, "roomy") == 997


class BrokenStore(MemoryStore):
    async def reserve(self, limits, now):
        raise RunestoneError(Reason.UNAVAILABLE, "gone")


async def test_without_a_store_limits_fail_and_shadows_do_not():
    judges = [Judge(BrokenStore(), FakeClock())]
    with pytest.raises(RunestoneError) as caught:
        await judge(judges, ask("1"))
    assert caught.value.reason is Reason.UNAVAILABLE
    [quiet] = await judge(judges, ask("1", key="quiet"))
    assert (quiet.is_over, quiet.decision) == (False, None)
