"""What an edge may spend of its leases, and how much it asks for."""

from hypothesis import given
from hypothesis import strategies as st

from chassis.gcra import Rate, decide, good_until, refund
from gateway_edge.limits.account import LASTING, MAX_AHEAD, SECOND, WARM, Account, Lease, UseMeter
from gateway_edge.limits.limit import RequestLimit, per_minute
from gateway_edge.limits.verdict import Verdict

NOW = 1_800_000_000 * SECOND
WIDE = RequestLimit(("tenant", "acme"), per_minute(6000))  # a unit every 10 ms


def account_with(*leases: Lease, limit: RequestLimit = WIDE) -> Account:
    account = Account(limit, NOW)
    account.leases.extend(leases)
    return account


def use(account: Account, calls: int, now: int = NOW) -> None:
    for _ in range(calls):
        account.use.note(now)


def test_a_lease_is_spent_unit_by_unit():
    account = account_with(Lease("a", 3, 3, NOW))
    assert [account.take(NOW) is not None for _ in range(5)] == [True, True, True, False, False]


def test_the_oldest_lease_is_spent_first():
    """It is the first to lapse."""
    old, new = Lease("old", 2, 2, NOW), Lease("new", 2, 2, NOW)
    account = account_with(old, new)
    assert [account.take(NOW) for _ in range(4)] == [old, old, new, new]


def test_a_lease_lapses_at_the_pace_of_its_rate():
    account = account_with(Lease("a", 10, 10, NOW))
    assert [account.units(NOW + ms * 1000) for ms in (0, 10, 25, 90, 100, 1000)] == [10, 9, 7, 1, 0, 0]
    assert account.take(NOW + 100_000) is None


def test_what_has_lapsed_stays_lapsed_when_some_is_spent():
    """Half has lapsed; one is spent of the other half, and nothing of the first may take its place."""
    account = account_with(Lease("a", 10, 10, NOW))
    account.take(NOW + 50_000)
    assert account.units(NOW + 50_000) == 4


def test_what_is_spent_before_it_lapses_does_not_lapse_as_well():
    account = account_with(Lease("a", 10, 10, NOW))
    for _ in range(6):
        account.take(NOW)
    assert account.units(NOW + 60_000) == 4


def test_a_limit_that_is_hardly_used_is_not_leased():
    account = account_with()
    use(account, int(WARM) - 1)
    assert account.count_ahead(NOW) == 0
    use(account, 1)
    assert account.count_ahead(NOW) > 0


def test_a_lease_lasts_about_a_second_at_the_faster_of_use_and_rate():
    """What is not spent lapses at the rate's pace, so less would not last; a burst is spent faster than that."""
    slow, fast = account_with(), account_with()
    use(slow, 5)
    use(fast, 400)
    assert slow.count_ahead(NOW) == 100 * LASTING + 2
    assert fast.count_ahead(NOW) == 400 * LASTING + 2


def test_what_is_held_and_what_is_coming_is_not_asked_for_again():
    account = account_with(Lease("a", 30, 30, NOW))
    use(account, 5)
    account.pending = 50
    assert account.count_ahead(NOW) == 22
    account.pending = 500
    assert account.count_ahead(NOW) == 0


def test_no_more_is_asked_for_than_may_be():
    account = account_with(limit=RequestLimit(("t",), per_minute(10**10)))
    use(account, 5)
    assert account.count_ahead(NOW) == MAX_AHEAD


def test_a_lease_is_renewed_once_when_a_quarter_is_left():
    account = account_with(Lease("a", 8, 8, NOW))
    lows = []
    while account.take(NOW):
        lows.append(account.is_low(NOW))
    assert lows == [False] * 5 + [True] + [False] * 2


def test_a_lease_that_lapses_unspent_is_renewed_too():
    account = account_with(Lease("a", 100, 100, NOW))
    assert not account.is_low(NOW + 700_000)
    assert account.is_low(NOW + 750_000)


def test_an_account_without_leases_has_nothing_to_renew():
    assert not account_with().is_low(NOW)


def test_the_view_is_what_was_said_less_what_was_spent_here():
    account = account_with(Lease("a", 20, 20, NOW))
    account.hear(Verdict(True, 5000, 10_000_000), NOW)
    assert account.view(NOW) == Verdict(True, 5020, 9_800_000)
    account.take(NOW)
    assert account.view(NOW) == Verdict(True, 5019, 9_810_000)


def test_a_view_grows_old_as_the_limit_does():
    """What lapses here comes back there: nothing is counted twice, and never more than the burst."""
    account = account_with(Lease("a", 20, 20, NOW))
    account.hear(Verdict(True, 5000, 10_000_000), NOW)
    assert account.view(NOW + 100_000).remaining == 5020
    assert account.view(NOW + 60 * SECOND) == Verdict(True, 6000, 0)


@given(st.lists(st.integers(0, 3 * SECOND), max_size=50))
def test_the_meter_counts_about_the_last_second(waits):
    meter, now, calls = UseMeter(), NOW, []
    for wait in waits:
        now += wait
        calls.append(now)
        meter.note(now)
    seen = meter.per_second(now)
    assert sum(now - at < now % SECOND for at in calls) <= seen <= sum(now - at < 2 * SECOND for at in calls)


rates = st.builds(Rate, quantity=st.integers(1, 3), period=st.integers(2, 5000), burst=st.integers(1, 30))
waits = st.sampled_from([0, 0, 0, 0.5, 1, 1, 2, 6])
moves = st.tuples(waits, st.sampled_from(["lease", "take", "take", "put back", "return"]), st.integers(1, 12))


@given(rates, st.lists(moves, max_size=60))
def test_an_account_never_spends_more_than_the_rate_over_any_window(rate, moves):
    """Against the algorithm: what the account spends conforms to it, as if each call had asked."""
    account, now, arrival, spent, taken = Account(RequestLimit(("t",), rate), NOW), NOW, None, [], []
    for intervals, move, number in moves:
        now += int(intervals * rate.period / rate.quantity)
        if move == "lease":
            decision = decide(rate, arrival, now, number)
            arrival = decision.arrival
            account.leases.extend([Lease("a", number, number, now)] * decision.is_admitted)
        elif move == "take" and (lease := account.take(now)) is not None:
            taken.append(lease)
            spent.append(now)
        elif move == "put back" and taken and spent[-1] == now:
            taken.pop().left += 1
            spent.pop()
        elif move == "return" and account.leases:
            lease = account.leases.pop()
            until = good_until(rate, lease.asked_at, lease.units)
            arrival = refund(rate, arrival, until, now, lease.left).arrival
    state = None
    for at in spent:
        decision = decide(rate, state, at, 1)
        assert decision.is_admitted
        state = decision.arrival
