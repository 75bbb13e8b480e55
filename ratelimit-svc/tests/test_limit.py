"""What makes a limit, and what makes two of them the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import Reason, RunestoneError
from chassis.gcra import MAX_QUANTITY, Rate
from ratelimit_svc.limit import make_limit, subject_key

MINUTE = 60_000_000
SENSIBLE = {"subject": ["tenant", "acme"], "name": "n", "quantity": 5, "period": MINUTE, "burst": 0, "amount": 0}
subjects = st.tuples(st.lists(st.text(max_size=4), max_size=4), st.text(max_size=4))


@given(subjects, subjects)
def test_two_subjects_have_one_key_only_if_they_are_the_same(one, other):
    assert (subject_key(*one) == subject_key(*other)) == (one == other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((["a", "b"], "n"), (["ab"], "n")),
        ((["a:b"], "n"), (["a", "b"], "n")),
        ((["a"], "bn"), (["a", "b"], "n")),
        ((["a", ""], "n"), (["a"], "n")),
        ((["a\0b"], "n"), (["a", "b"], "n")),
        ((["\0\0\0\1b"], "n"), (["b"], "n")),
    ],
)
def test_no_choice_of_names_makes_two_subjects_collide(one, other):
    assert subject_key(*one) != subject_key(*other)


def test_what_is_left_out_has_its_documented_meaning():
    limit = make_limit(**SENSIBLE)
    assert limit.rate == Rate(quantity=5, period=MINUTE, burst=5)
    assert limit.amount == 1


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("subject", []),
        ("quantity", 0),
        ("quantity", MAX_QUANTITY + 1),
        ("period", 0),
        ("period", -1),
        ("burst", 2**64 - 1),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused_by_name(member, value):
    with pytest.raises(RunestoneError) as caught:
        make_limit(**{**SENSIBLE, member: value})
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_REQUEST, member)
