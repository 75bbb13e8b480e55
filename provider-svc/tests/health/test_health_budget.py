from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from provider_svc.health.budget import Budget

SHARES = st.integers(1, 1_000).map(lambda thousandths: Fraction(thousandths, 1_000))
ACTS = st.lists(st.sampled_from(["earn", "earn", "earn", "spend"]), max_size=400)


@given(SHARES, st.integers(0, 9), st.integers(0, 9), ACTS)
def test_never_more_is_spent_than_the_reserve_and_the_share_of_the_calls(share, reserve, most, acts):
    """Whatever the order: to the last extra call, without the errors of floating point."""
    budget, earned, spent = Budget(float(share), reserve, most), 0, 0
    for act in acts:
        earned += act == "earn"
        if act == "spend":
            saved = budget.saved
            spent += (is_spent := budget.spend())
            assert is_spent == (saved >= 1)
        else:
            budget.earn()
        assert spent <= reserve + share * earned
        assert 0 <= budget.saved <= most
    assert (budget.spent, budget.spent + budget.refused) == (spent, acts.count("spend"))


@given(SHARES, st.integers(0, 9))
def test_what_was_earned_can_be_spent(share, reserve):
    """A bucket that always refuses keeps its promise, too; this one gives all that it may."""
    budget = Budget(float(share), reserve, 1_000)
    for _ in range(100):
        budget.earn()
    assert sum(budget.spend() for _ in range(200)) == int(reserve + share * 100)


def test_no_more_is_saved_than_allowed():
    """A quiet day does not pay for a storm."""
    budget = Budget(0.2, 10, 12)
    for _ in range(1_000):
        budget.earn()
    assert [budget.spend() for _ in range(13)] == [True] * 12 + [False]


def test_it_shows_its_numbers():
    budget = Budget(0.2, 2, 10)
    budget.earn()
    assert [budget.spend() for _ in range(3)] == [True, True, False]
    assert repr(budget) == "Budget(0.20/10 saved, 0.2 a call, 2 spent, 1 refused)"
