"""The memory store's leases are bounded, and forgotten when they have lapsed."""

from chassis.gcra import FINE
from ratelimit_svc.lease import Ask, Leftover
from ratelimit_svc.lease_records import LeaseRecords
from ratelimit_svc.limit import make_limit
from ratelimit_svc.memory import MemoryStore

NOW = 1_800_000_000_000_000
MINUTE = 60_000_000


def test_a_lease_that_has_lapsed_makes_room():
    records = LeaseRecords(max_leases=2)
    records.remember(b"k", "a", (NOW + 5) * FINE)
    records.remember(b"k", "b", (NOW + 9) * FINE)
    assert not records.has_room_for(1, NOW + 4)
    assert records.has_room_for(1, NOW + 5)
    assert not records.has_room_for(2, NOW + 5)
    assert records.take(b"k", "a") is None
    assert records.take(b"k", "b") == (NOW + 9) * FINE


def test_returned_leases_do_not_make_the_records_grow():
    """Their places are free when they would have lapsed, so that a holder who returns at once fills nothing up."""
    records = LeaseRecords(max_leases=50)
    for turn in range(1000):
        if records.has_room_for(1, NOW + turn):
            records.remember(b"k", str(turn), (NOW + turn + 20) * FINE)
            records.take(b"k", str(turn))
    assert len(records) == 0
    assert len(records._order) <= 50


async def test_a_store_that_can_remember_no_more_leases_still_admits_calls():
    store = MemoryStore()
    store._leases = LeaseRecords(max_leases=1)
    limit = make_limit(["t"], "n", quantity=100, period=MINUTE, burst=0, amount=1)
    assert (await store.lease([Ask(limit, 5, "a")], 1, NOW)).units == [5]
    granted = await store.lease([Ask(limit, 5, "b")], 1, NOW)
    assert (granted.admitted, granted.units) == (1, [0])


async def test_what_has_lapsed_is_not_refunded():
    """Returned late, it would come on top of a burst that is full again."""
    store, limit = MemoryStore(), make_limit(["t"], "n", quantity=60, period=MINUTE, burst=0, amount=1)
    await store.lease([Ask(limit, 6, "a")], 0, NOW)
    later = NOW + 4 * MINUTE // 60
    assert await store.give_back([Leftover("a", limit, 6)], later) == [2]
    assert (await store.lease([Ask(limit, 0, "")], 60, later)).admitted == 60


async def test_a_lease_of_a_full_store_is_unavailable_for_new_subjects_only():
    store = MemoryStore(max_subjects=1)
    one, other = (make_limit([name], "n", quantity=60, period=MINUTE, burst=0, amount=1) for name in "ab")
    await store.lease([Ask(one, 1, "a")], 1, NOW)
    assert (await store.lease([Ask(other, 0, "b")], 0, NOW)).decisions[0].remaining == 60
    assert (await store.lease([Ask(one, 1, "c")], 1, NOW)).admitted == 1
