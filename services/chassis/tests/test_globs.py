"""`*` stands for anything, every other character for itself, and no pattern takes long."""

import re

from hypothesis import given
from hypothesis import strategies as st

from chassis.globs import Globs

FEW = st.text("ab*.[", max_size=8)
NAMES = st.text("ab*.[\n", max_size=12)


@given(st.lists(FEW, max_size=4), NAMES)
def test_a_name_is_found_as_a_regular_expression_would_find_it(patterns, name):
    spelled = [".*".join(map(re.escape, pattern.split("*"))) for pattern in patterns]
    assert (name in Globs(patterns)) == any(re.fullmatch(one, name, re.DOTALL) is not None for one in spelled)


def test_no_pattern_takes_more_than_one_pass_over_the_name():
    """A backtracking matcher would not come back from this one."""
    assert "a" * 50_000 not in Globs(["*a" * 200 + "*b"])
