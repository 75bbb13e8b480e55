"""What every store promises of leases, over all of them.

Most limits here refill so slowly that no time passes for them, whichever clock a store goes by.
"""

import asyncio
import itertools
import random
import time

from chassis.gcra import count_lapsed
from ratelimit_svc.lease import Ask, Leftover
from ratelimit_svc.limit import make_limit
from ratelimit_svc.reservation import is_admitted

NOW = 1_800_000_000_000_000
DAY = 86_400_000_000
SECOND = 1_000_000


def limit(*subject, quantity=80):
    return make_limit(subject, "requests_per_day", quantity=quantity, period=DAY, burst=0, amount=1)


def ask(one, ahead=0, lease_id="lease"):
    return Ask(one, ahead, lease_id)


async def remaining(store, one):
    """Without using any: a lease of nothing."""
    granted = await store.lease([ask(one)], 0, NOW)
    return granted.decisions[0].remaining


async def test_a_lease_is_charged_at_once_and_is_at_most_an_eighth_of_what_remains(clients):
    granted = await clients[0].lease([ask(limit("t"), ahead=100)], 0, NOW)
    assert (granted.admitted, granted.units, granted.decisions[0].remaining) == (0, [10], 70)
    granted = await clients[1].lease([ask(limit("t"), ahead=100, lease_id="other")], 0, NOW)
    assert (granted.units, granted.decisions[0].remaining) == ([8], 62)


async def test_no_more_is_leased_than_was_asked_for(clients):
    assert (await clients[0].lease([ask(limit("t"), ahead=3)], 2, NOW)).units == [3]
    assert await remaining(clients[0], limit("t")) == 75


async def test_near_the_limit_leases_shrink_to_nothing_and_calls_are_still_admitted(clients):
    store, granted = clients[0], []
    for turn in range(100):
        one = await store.lease([ask(limit("t"), ahead=100, lease_id=str(turn))], 1, NOW)
        granted.append((one.admitted, *one.units))
    assert sum(admitted + units for admitted, units in granted) == 80
    ahead = [units for _, units in granted]
    assert ahead == sorted(ahead, reverse=True)
    assert granted.count((1, 0)) >= 8
    assert granted[-1] == (0, 0)


async def test_calls_are_admitted_as_long_as_there_is_room_and_the_others_are_told_how_long_to_wait(clients):
    granted = await clients[0].lease([ask(limit("t"), ahead=10)], 100, NOW)
    assert (granted.admitted, granted.units) == (80, [0])
    state = granted.decisions[0]
    assert (state.is_admitted, state.remaining) == (False, 0)
    assert 0 < state.retry_after <= DAY / 80


async def test_all_limits_are_charged_for_a_call_or_none(clients):
    """The tighter limit decides for both, and a request with refused calls takes nothing ahead."""
    wide, tight = limit("wide"), limit("tight", quantity=5)
    granted = await clients[0].lease([ask(wide, ahead=10), ask(tight, ahead=10)], 7, NOW)
    assert (granted.admitted, granted.units) == (5, [0, 0])
    first, second = granted.decisions
    assert (first.is_admitted, first.remaining, first.retry_after) == (True, 75, None)
    assert (second.is_admitted, second.remaining) == (False, 0)


async def test_each_limit_grants_what_it_can_spare(clients):
    granted = await clients[0].lease([ask(limit("wide"), ahead=10), ask(limit("tight", quantity=5), ahead=10)], 1, NOW)
    assert (granted.admitted, granted.units) == (1, [9, 0])


async def test_what_is_returned_can_be_used_by_others(clients):
    one = limit("t")
    await clients[0].lease([ask(one, ahead=10)], 0, NOW)
    assert await clients[1].give_back([Leftover("lease", one, 7)], NOW) == [7]
    assert await remaining(clients[2], one) == 77


async def test_a_lease_is_refunded_once_however_often_it_is_returned(clients):
    one = limit("t")
    await clients[0].lease([ask(one, ahead=10)], 0, NOW)
    returns = await asyncio.gather(*(store.give_back([Leftover("lease", one, 10)], NOW) for store in clients))
    assert sorted(returns) == [[0], [0], [0], [10]]
    assert await remaining(clients[0], one) == 80


async def test_no_more_is_refunded_than_was_leased(clients):
    one = limit("t")
    await clients[0].reserve([one], NOW)
    await clients[0].lease([ask(one, ahead=5)], 0, NOW)
    assert await clients[0].give_back([Leftover("lease", one, 50)], NOW) == [5]
    assert await remaining(clients[0], one) == 79


async def test_a_lease_that_is_not_known_refunds_nothing(clients):
    """Never granted, or granted to another subject."""
    await clients[0].lease([ask(limit("t"), ahead=10)], 10, NOW)
    await clients[0].reserve([limit("other")], NOW)
    assert await clients[0].give_back(
        [Leftover("never", limit("t"), 5), Leftover("lease", limit("other"), 5)], NOW
    ) == [0, 0]
    assert await remaining(clients[0], limit("t")) == 62
    assert await clients[0].give_back([Leftover("lease", limit("unheard of"), 5)], NOW) == [0]


async def test_several_leases_of_one_subject_are_returned_in_one_request(clients):
    one = limit("t")
    for lease_id in "ab":
        await clients[0].lease([ask(one, ahead=5, lease_id=lease_id)], 0, NOW)
    assert await clients[0].give_back([Leftover("a", one, 2), Leftover("b", one, 3), Leftover("a", one, 2)], NOW) == [
        2,
        3,
        0,
    ]
    assert await remaining(clients[0], one) == 75


async def test_holders_that_race_with_single_calls_never_get_more_than_there_is(clients):
    """Four clients lease, spend, return and reserve at random: what was used and what remains are exactly the limit."""
    one, ids, chance = limit("t", quantity=300), map(str, itertools.count()), random.Random(8)

    async def hold(store):
        used = 0
        for _ in range(30):
            calls, ahead, lease_id = chance.randrange(3), chance.randrange(40), next(ids)
            granted = await store.lease([ask(one, ahead, lease_id)], calls, NOW)
            spent = chance.randint(0, granted.units[0])
            used += granted.admitted + spent
            await store.give_back([Leftover(lease_id, one, granted.units[0] - spent)] * chance.randint(1, 2), NOW)
            used += is_admitted(await store.reserve([one], NOW))
        return used

    used = sum(await asyncio.gather(*map(hold, clients)))
    assert used + await remaining(clients[0], one) == 300
    while is_admitted(await clients[0].reserve([one], NOW)):
        used += 1
    assert used == 300


class Holder:
    """One client of a store, in real time: leases, and spends late what is still good. `spent` is a list of spans in which
    a use happened, in microseconds: not before it was asked for, not after it was known."""

    def __init__(self, store, one, name, chance):
        self.store, self.limit, self.chance = store, one, chance
        self.ids = (f"{name}-{number}" for number in itertools.count())
        self.leases, self.spent = [], []  # a lease: id, when it was asked for, how much, how much is left

    async def lease(self, asked_at):
        lease_id, calls = next(self.ids), self.chance.randrange(3)
        granted = await self.store.lease([ask(self.limit, 40, lease_id)], calls, asked_at)
        self.spent += [(asked_at, now())] * granted.admitted
        self.leases.append([lease_id, asked_at, granted.units[0], granted.units[0]])

    async def reserve(self, asked_at):
        if is_admitted(await self.store.reserve([self.limit], asked_at)):
            self.spent.append((asked_at, now()))

    async def spend(self, asked_at):
        for lease in self.leases:
            lease[3] = min(lease[3], lease[2] - count_lapsed(self.limit.rate, asked_at - lease[1]))
            if lease[3] > 0:
                lease[3] -= 1
                self.spent.append((asked_at, asked_at))

    async def give_back(self, asked_at):
        for lease_id, *_, left in self.leases:
            await self.store.give_back([Leftover(lease_id, self.limit, max(0, left))], asked_at)
        self.leases = []

    async def run(self, turns):
        moves = [self.lease, self.reserve, self.spend, self.spend, self.give_back]
        for _ in range(turns):
            await self.chance.choice(moves)(now())
            await asyncio.sleep(self.chance.choice([0, 0, 0.002, 0.02]))


def now():
    return int(time.monotonic() * SECOND)


async def test_leases_that_are_spent_late_never_exceed_the_rate_over_any_window(clients):
    """In real time: 500 a second, 100 at once, which comes back while leases are held."""
    one = make_limit(["t"], "requests_per_second", quantity=500, period=SECOND, burst=100, amount=1)
    holders = [Holder(store, one, number, random.Random(number)) for number, store in enumerate(clients)]
    await asyncio.gather(*(holder.run(120) for holder in holders))
    spans = sorted(span for holder in holders for span in holder.spent)
    ends = sorted(end for _, end in spans)
    assert len(spans) > 200
    for index, (start, _) in enumerate(spans):
        for used, end in enumerate(ends[index:], 1):
            assert used <= 100 + (end - start) * 500 / SECOND
