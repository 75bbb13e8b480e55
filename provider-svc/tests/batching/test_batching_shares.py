"""What was used, divided: the shares add up to the whole, whatever it is."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from provider_svc.batching.shares import divide, share_counts, share_usage
from runestone.common.v1.usage_pb2 import Usage

WEIGHTS = st.lists(st.integers(1, 1 << 20), min_size=1, max_size=64)
COUNTS = st.integers(0, 1 << 40)


@given(COUNTS, WEIGHTS)
def test_shares_add_up_and_are_within_one_of_their_proportion(whole, weights):
    shares = divide(whole, weights)
    assert sum(shares) == whole
    for share, weight in zip(shares, weights, strict=True):
        exact = whole * weight
        assert exact - sum(weights) < share * sum(weights) < exact + sum(weights)


@given(COUNTS, WEIGHTS)
def test_who_weighs_more_never_gets_less(whole, weights):
    by_weight = sorted(zip(weights, divide(whole, weights), strict=True))
    for (light, less), (heavy, more) in pairwise(by_weight):
        assert light == heavy or less <= more


@given(COUNTS, COUNTS, WEIGHTS)
def test_every_count_of_a_usage_adds_up(read, cached, weights):
    usage = Usage(input_tokens=read, cache_read_input_tokens=cached)
    shares = share_usage(usage, weights)
    assert sum(share.input_tokens for share in shares) == read
    assert sum(share.cache_read_input_tokens for share in shares) == cached
    assert all(share.is_estimated and not share.HasField("output_tokens") for share in shares)
    assert all(share.HasField("input_tokens") for share in shares)


def test_a_usage_object_keeps_its_form_and_loses_what_cannot_be_divided():
    counts = {"total_tokens": 10, "details": {"cached": 3, "kind": "text"}, "cost": 0.25, "free": None, "on": True}
    first, second = share_counts(counts, [3, 1])
    assert first == {"total_tokens": 8, "details": {"cached": 2, "kind": "text"}, "free": None, "on": True}
    assert second == {"total_tokens": 2, "details": {"cached": 1, "kind": "text"}, "free": None, "on": True}
