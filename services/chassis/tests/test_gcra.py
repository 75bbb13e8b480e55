"""What a rate promises, whatever the rate, the pace and the clock."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chassis.gcra import FINE, MAX_QUANTITY, Decision, Rate, count_lapsed, decide, good_until, refund

settings.register_profile("unhurried", deadline=None)  # a busy machine is not a failure
settings.load_profile("unhurried")

SECOND, MINUTE = 1_000_000, 60_000_000
NOW = 1_800_000_000 * SECOND

rates = st.builds(
    Rate,
    quantity=st.integers(1, 40) | st.integers(1, MAX_QUANTITY),
    period=st.integers(1, 1000) | st.integers(1, 31 * 86_400 * SECOND),
    burst=st.integers(1, 40) | st.integers(1, 10**6),
)
small_rates = st.builds(Rate, quantity=st.integers(1, 12), period=st.integers(1, 5000), burst=st.integers(1, 12))
amounts = st.integers(1, 4)
levels = st.floats(0, 1)


def arrival_at(rate: Rate, level: float) -> int:
    """A state in which this share of the burst is used at NOW, seldom a whole number of uses."""
    ahead = int(rate.burst * rate.period * FINE * level) // rate.quantity
    return decide(rate, NOW * FINE + ahead, NOW, 0).arrival


def play(rate: Rate, steps: list[tuple[int, int]]) -> Iterator[tuple[int, int, Decision]]:
    """Waits (microseconds) and amounts, one after the other: the time, the amount and the decision of each."""
    now, arrival = NOW, None
    for wait, amount in steps:
        now += wait
        decision = decide(rate, arrival, now, amount)
        arrival = decision.arrival
        yield now, amount, decision


@given(rates)
def test_a_new_subject_may_use_its_whole_burst_at_once_and_not_one_more(rate):
    decision = decide(rate, None, NOW, rate.burst)
    assert decision.is_admitted
    assert decision.remaining == 0
    assert not decide(rate, decision.arrival, NOW, 1).is_admitted
    assert not decide(rate, None, NOW, rate.burst + 1).is_admitted


@given(small_rates)
def test_a_burst_is_the_same_in_one_piece_and_in_many(rate):
    decisions = [decision for _, _, decision in play(rate, [(0, 1)] * (rate.burst + 1))]
    assert [decision.is_admitted for decision in decisions] == [True] * rate.burst + [False]
    assert [decision.remaining for decision in decisions] == [*reversed(range(rate.burst)), 0]


@given(small_rates, st.lists(st.tuples(st.integers(0, 3000), amounts), max_size=60))
def test_no_window_of_a_period_admits_more_than_the_burst_and_the_quantity(rate, steps):
    admitted = [(at, amount) for at, amount, decision in play(rate, steps) if decision.is_admitted]
    for start, _ in admitted:
        used = sum(amount for at, amount in admitted if start <= at < start + rate.period)
        assert used <= rate.burst + rate.quantity


@given(small_rates, st.lists(st.tuples(st.integers(-4000, 4000), amounts), max_size=60))
def test_a_clock_that_steps_back_never_admits_more_than_one_that_stands_still(rate, steps):
    used = sum(amount for _, amount, decision in play(rate, steps) if decision.is_admitted)
    forward = sum(wait for wait, _ in steps if wait > 0)
    assert used * rate.period <= rate.burst * rate.period + forward * rate.quantity


@given(rates, levels, st.integers(0, 3600 * SECOND), amounts)
def test_an_earlier_clock_is_never_more_generous(rate, level, step, amount):
    arrival = arrival_at(rate, level)
    earlier, later = NOW - step, NOW
    assert decide(rate, arrival, earlier, amount).is_admitted <= decide(rate, arrival, later, amount).is_admitted
    assert decide(rate, arrival, earlier, 0).remaining <= decide(rate, arrival, later, 0).remaining


@given(rates, st.integers(1, 3600 * SECOND))
def test_a_clock_that_steps_back_costs_a_burst_at_most(rate, step):
    used_up = decide(rate, None, NOW, rate.burst)
    refused = decide(rate, used_up.arrival, NOW - step, 1)
    assert refused.retry_after == -(-rate.period // rate.quantity)
    assert decide(rate, refused.arrival, NOW - step + refused.retry_after, 1).is_admitted


@given(rates, levels, amounts)
def test_retry_after_is_exact_to_the_microsecond(rate, level, amount):
    refused = decide(rate, arrival_at(rate, level), NOW, amount)
    if refused.retry_after is not None:
        assert not decide(rate, refused.arrival, NOW + refused.retry_after - 1, amount).is_admitted
        assert decide(rate, refused.arrival, NOW + refused.retry_after, amount).is_admitted


@given(rates, levels, amounts)
def test_only_a_refusal_that_will_end_says_when(rate, level, amount):
    decision = decide(rate, arrival_at(rate, level), NOW, amount)
    will_end = not decision.is_admitted and amount <= rate.burst
    assert (decision.retry_after is not None) == will_end


@given(rates, levels, amounts)
def test_a_refusal_leaves_the_state(rate, level, amount):
    arrival = arrival_at(rate, level)
    decision = decide(rate, arrival, NOW, amount)
    if not decision.is_admitted:
        assert decision.arrival == arrival


@given(rates, levels)
def test_what_remains_is_admitted_and_one_more_is_not(rate, level):
    arrival = arrival_at(rate, level)
    remaining = decide(rate, arrival, NOW, 0).remaining
    assert decide(rate, arrival, NOW, remaining).is_admitted
    assert not decide(rate, arrival, NOW, remaining + 1).is_admitted


@given(rates, levels)
def test_reset_after_is_when_all_of_the_burst_is_back(rate, level):
    arrival = arrival_at(rate, level)
    reset = decide(rate, arrival, NOW, 0).reset_after
    assert decide(rate, arrival, NOW + reset, 0).remaining == rate.burst
    assert decide(rate, arrival, NOW + reset, 0).reset_after == 0
    if reset:
        assert decide(rate, arrival, NOW + reset - 1, 0).reset_after > 0


@given(st.integers(1, MAX_QUANTITY), st.integers(1, 100))
def test_a_period_after_its_use_the_whole_quantity_is_there_again(quantity, periods):
    """To the unit, also where a minute holds more units than microseconds."""
    rate = Rate(quantity, MINUTE, burst=quantity)
    arrival, now = None, NOW
    for _ in range(periods):
        used_up = decide(rate, arrival, now, quantity)
        assert used_up.is_admitted
        assert used_up.reset_after == MINUTE
        arrival, now = used_up.arrival, now + MINUTE


@given(rates, st.lists(amounts, max_size=50))
def test_rounding_the_state_loses_nothing(rate, steps):
    """However often it is rounded, what is left is what a count says."""
    arrival, used = None, 0
    for amount in steps:
        decision = decide(rate, arrival, NOW, amount)
        arrival, used = decision.arrival, used + amount * decision.is_admitted
        assert decision.remaining == rate.burst - used


@given(rates, rates, levels)
def test_a_state_outlives_a_change_of_its_rate(old, new, level):
    """What the old rate still owes is owed under the new one, up to all of its burst."""
    arrival = arrival_at(old, level)
    owed = min(arrival - NOW * FINE, new.burst * new.period * FINE // new.quantity)
    assert decide(new, arrival, NOW, 0).reset_after == pytest.approx(owed / FINE, abs=1)


def test_a_rate_of_seven_a_minute_admits_seven_and_says_when_the_eighth():
    rate = Rate(quantity=7, period=MINUTE, burst=7)
    *admitted, refused = [decision for _, _, decision in play(rate, [(0, 1)] * 8)]
    assert all(decision.is_admitted for decision in admitted)
    assert refused == Decision(False, (NOW + MINUTE) * FINE, 0, MINUTE, 8_571_429)


@given(rates, levels, st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 3600 * SECOND))
def test_refund_never_exceeds_burst(rate, level, taken, returned, wait):
    """Whatever is returned and whenever, there is never more than the burst, and never less than before."""
    until, arrival = good_until(rate, NOW, taken), arrival_at(rate, level)
    now = NOW + wait
    given = refund(rate, arrival, until, now, returned)
    before, after = decide(rate, arrival, now, 0).remaining, decide(rate, given.arrival, now, 0).remaining
    assert before <= after <= rate.burst
    assert given.amount <= min(taken, returned)


@given(rates, levels, st.integers(1, 100))
def test_what_is_taken_and_returned_at_once_was_never_taken(rate, level, amount):
    before = decide(rate, arrival_at(rate, level), NOW, 0)
    taken = decide(rate, before.arrival, NOW, amount)
    if taken.is_admitted:
        given = refund(rate, taken.arrival, good_until(rate, NOW, amount), NOW, amount)
        assert (given.arrival, given.amount) == (before.arrival, amount)


@given(rates, st.integers(0, 10**6), st.integers(0, 3600 * SECOND))
def test_what_has_lapsed_is_not_given_back(rate, taken, wait):
    """The refund's bound and the holder's rule are the same one."""
    until, owed = good_until(rate, NOW, taken), decide(rate, None, NOW + wait, rate.burst).arrival
    good = max(0, taken - count_lapsed(rate, wait))
    given = refund(rate, owed, until, NOW + wait, taken)
    assert min(good, rate.burst) <= given.amount <= min(good + 1, rate.burst)


@given(rates)
def test_nothing_is_owed_by_a_subject_that_is_not_known(rate):
    assert refund(rate, None, good_until(rate, NOW, 5), NOW, 5).amount == 0


# How long to wait (intervals of the rate, and microseconds more or less), what to do, and how much or with which lease.
waits = st.sampled_from([0, 0, 0, 0.5, 1, 1, 2, 6])
moves = st.tuples(
    waits, st.integers(-1, 1), st.sampled_from(["reserve", "lease", "spend", "spend", "give_back"]), st.integers(1, 6)
)
tiny_rates = st.builds(Rate, quantity=st.integers(1, 3), period=st.integers(2, 5000), burst=st.integers(1, 6))


class Holder:
    """Reserves, takes ahead, spends late and returns, all on one subject; `spent` is when each use happened."""

    def __init__(self, rate: Rate) -> None:
        self.rate, self.arrival = rate, None
        self.spent: list[int] = []
        self.leases: list[tuple[int, int, int]] = []  # when it was granted, how much, how much is left

    def reserve(self, now: int, amount: int) -> None:
        decision = decide(self.rate, self.arrival, now, amount)
        self.arrival = decision.arrival
        self.spent += [now] * (amount * decision.is_admitted)

    def lease(self, now: int, amount: int) -> None:
        decision = decide(self.rate, self.arrival, now, amount)
        self.arrival = decision.arrival
        self.leases += [(now, amount, amount)] * decision.is_admitted

    def spend(self, now: int, number: int) -> None:
        granted_at, amount, left = self.leases.pop(number % len(self.leases))
        left = min(left, amount - count_lapsed(self.rate, now - granted_at))  # what has lapsed stays lapsed
        if left > 0:
            self.spent.append(now)
            self.leases.append((granted_at, amount, left - 1))

    def give_back(self, now: int, number: int) -> None:
        granted_at, amount, left = self.leases.pop(number % len(self.leases))
        until = good_until(self.rate, granted_at, amount)
        self.arrival = refund(self.rate, self.arrival, until, now, left).arrival


@settings(max_examples=300)
@given(tiny_rates, st.lists(moves, max_size=60))
def test_leases_that_are_spent_late_and_returned_never_admit_more_than_the_rate(rate, moves):
    """What is spent conforms to the rate as if there were no leases (docs/adr/0005)."""
    holder, now, arrival = Holder(rate), NOW, None
    for intervals, more, move, number in moves:
        now += max(0, int(intervals * rate.period / rate.quantity) + more)
        if holder.leases or move in {"reserve", "lease"}:
            getattr(holder, move)(now, number)
    for at in holder.spent:
        decision = decide(rate, arrival, at, 1)
        assert decision.is_admitted
        arrival = decision.arrival
