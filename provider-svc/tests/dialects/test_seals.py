"""A seal comes back to its maker as it was, through whosever dialect it went."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_svc.dialects.prompt import Maker
from provider_svc.dialects.seals import MARK, unwrap, wrap

makers = st.sampled_from(get_args(Maker))


@given(st.text(min_size=1).filter(lambda seal: not seal.startswith(MARK)), makers, makers)
def test_a_seal_comes_back_as_it_was(seal, sealed_by, dialect_of):
    assert unwrap(wrap(seal, sealed_by, dialect_of), dialect_of) == (seal, sealed_by)


@given(st.text(min_size=1), makers)
def test_in_its_makers_dialect_a_seal_is_what_it_is(seal, maker):
    assert wrap(seal, maker, maker) == seal


@given(st.text(min_size=1), makers, makers)
def test_nobody_elses_seal_looks_like_a_makers_own(seal, sealed_by, dialect_of):
    """Who did not make it would refuse the whole conversation."""
    if sealed_by != dialect_of:
        assert wrap(seal, sealed_by, dialect_of).startswith(f"{MARK}{sealed_by}:")


@pytest.mark.parametrize("maker", [None, *get_args(Maker)])
def test_no_seal_is_no_seal(maker):
    assert wrap("", maker, "openai") == ""


@pytest.mark.parametrize("text", [f"{MARK}nobody:x", f"{MARK}", "runestone", "c2VhbA=="])
def test_what_was_not_wrapped_here_is_the_dialects_own(text):
    assert unwrap(text, "anthropic") == (text, "anthropic")
