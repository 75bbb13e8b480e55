"""What every store promises, over all of them.

The limits here refill so slowly that no time passes for them, whichever clock a store goes by.
"""

import asyncio
from collections import Counter
from dataclasses import replace

from ratelimit_svc.limit import make_limit
from ratelimit_svc.reservation import is_admitted

NOW = 1_800_000_000_000_000
DAY = 86_400_000_000


def limit(*subject, quantity=5, burst=0, amount=0, name="requests_per_day"):
    return make_limit(subject, name, quantity=quantity, period=DAY, burst=burst, amount=amount)


async def test_a_burst_is_admitted_and_then_refused_with_the_time_to_wait(clients):
    store = clients[0]
    decisions = [(await store.reserve([limit("tenant", "a")], NOW))[0] for _ in range(6)]
    assert [decision.is_admitted for decision in decisions] == [True] * 5 + [False]
    assert [decision.remaining for decision in decisions] == [4, 3, 2, 1, 0, 0]
    refused = decisions[-1]
    assert 0 < refused.retry_after <= DAY / 5
    assert DAY * 4 / 5 < refused.reset_after <= DAY


async def test_subjects_and_names_do_not_share_what_they_use(clients):
    store = clients[0]
    apart = [
        limit("tenant", "a", quantity=1),
        limit("tenant", "b", quantity=1),
        limit("tenant", "a", quantity=1, name="tokens_per_day"),
        limit("tenanta", quantity=1),
    ]
    for one in apart:
        assert is_admitted(await store.reserve([one], NOW))
        assert not is_admitted(await store.reserve([one], NOW))


async def test_all_limits_are_charged_or_none(clients):
    store, roomy, tight = clients[0], limit("tenant", quantity=10), limit("key", quantity=2)
    assert is_admitted(await store.reserve([roomy, tight], NOW))
    assert is_admitted(await store.reserve([roomy, tight], NOW))
    for _ in range(3):
        first, second = await store.reserve([roomy, tight], NOW)
        assert (first.is_admitted, first.remaining, first.retry_after) == (True, 8, None)
        assert (second.is_admitted, second.remaining) == (False, 0)
        assert second.retry_after > 0
    assert (await store.reserve([roomy], NOW))[0].remaining == 7


async def test_a_refusal_by_the_first_limit_spares_the_second(clients):
    store, empty, other = clients[0], limit("tenant", quantity=1), limit("key")
    await store.reserve([empty], NOW)
    assert not is_admitted(await store.reserve([empty, other], NOW))
    assert (await store.reserve([other], NOW))[0].remaining == 4


async def test_an_amount_is_charged_whole(clients):
    store = clients[0]
    assert (await store.reserve([limit("t", amount=3)], NOW))[0].remaining == 2
    refused = (await store.reserve([limit("t", amount=3)], NOW))[0]
    assert (refused.is_admitted, refused.remaining) == (False, 2)
    assert is_admitted(await store.reserve([limit("t", amount=2)], NOW))


async def test_more_than_the_burst_is_never_admitted_and_says_so(clients):
    for amount in (6, 2**64 - 1):
        decision = (await clients[0].reserve([limit("t", amount=amount)], NOW))[0]
        assert (decision.is_admitted, decision.remaining, decision.retry_after) == (False, 5, None)


async def test_a_burst_bounds_what_is_used_at_once(clients):
    decisions = [(await clients[0].reserve([limit("t", quantity=100, burst=2)], NOW))[0] for _ in range(3)]
    assert [decision.is_admitted for decision in decisions] == [True, True, False]
    assert 0 < decisions[-1].retry_after <= DAY / 100


async def test_clients_that_race_for_one_limit_never_get_more_than_it_has(clients):
    """200 calls by four clients at once for 100 places, with a second limit that nobody reaches."""

    async def call(number):
        limits = [limit("tenant", quantity=100), limit("key", str(number % 4), quantity=1000)]
        return is_admitted(await clients[number % len(clients)].reserve(limits, NOW))

    outcomes = Counter(await asyncio.gather(*(call(number) for number in range(200))))
    assert outcomes == {True: 100, False: 100}
    used = [(await clients[0].reserve([limit("key", str(key), quantity=1000)], NOW))[0] for key in range(4)]
    assert sum(999 - decision.remaining for decision in used) == 100


async def test_clients_that_race_in_opposite_order_neither_block_nor_overcharge(clients):
    one, other = limit("one", quantity=40), limit("other", quantity=60)

    async def call(number):
        limits = [one, other] if number % 2 else [other, one]
        return is_admitted(await clients[number % len(clients)].reserve(limits, NOW))

    assert sum(await asyncio.gather(*(call(number) for number in range(100)))) == 40
    assert (await clients[0].reserve([other], NOW))[0].remaining == 19


async def test_cancelled_calls_charge_all_limits_or_none(clients):
    first, second = limit("first", quantity=1000), limit("second", quantity=1000)
    for _ in range(20):
        calls = [asyncio.create_task(store.reserve([first, second], NOW)) for store in clients]
        await asyncio.sleep(0.0005)
        for call in calls[::2]:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
    left, right = await clients[0].reserve([first, second], NOW)
    assert left.remaining == right.remaining < 1000


async def test_an_amount_of_nothing_asks_and_charges_nothing(clients):
    """`Reserve` never sends one; what Envoy asks for may."""
    store, empty = clients[0], limit("empty", quantity=1)
    await store.reserve([empty], NOW)
    asked = [replace(limit("tenant"), amount=0), replace(empty, amount=0)]
    for _ in range(3):
        full, used = await store.reserve(asked, NOW)
        assert (full.is_admitted, full.remaining, full.reset_after) == (True, 5, 0)
        assert (used.is_admitted, used.remaining) == (True, 0)
    charged, asked_again = await store.reserve([limit("tenant"), asked[1]], NOW)
    assert (charged.is_admitted, charged.remaining, asked_again.remaining) == (True, 4, 0)
