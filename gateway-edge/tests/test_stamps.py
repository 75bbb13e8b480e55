"""Who may share a call with whom, where answers are purged meanwhile: every edge comes to the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.testing import FakeClock
from gateway_edge.caching.near import NearCache
from runestone.cache.v1.cache_pb2 import Mark, Selection

ONE, OTHER = b"1" * 32, b"2" * 32
LONGEST = 600.0  # seconds

# What two replicas tell, each in its own order: changes of one key, or of a tenant.
CHANGES = st.lists(st.sampled_from([Selection(key_prefix=ONE), Selection(key_prefix=OTHER), Selection(tenant="acme")]))


def at(version: int, epoch: str = "e") -> Mark:
    return Mark(epoch=epoch, version=version)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def near(clock: FakeClock) -> NearCache:
    return NearCache(1 << 20, clock, longest_call=LONGEST)


def test_a_purge_that_was_heard_of_parts_calls_from_those_before_it(near):
    near.begin(at(1), before="")
    assert near.stamp_of(ONE) == b""
    near.hear(at(2), [Selection(key_prefix=ONE)])
    assert near.stamp_of(ONE) != b"" and near.stamp_of(OTHER) == b""
    before = near.stamp_of(ONE)
    near.hear(at(3), [Selection(tenant="acme")])
    assert near.stamp_of(ONE) == near.stamp_of(OTHER) not in (b"", before)


@given(CHANGES, CHANGES, st.randoms())
def test_edges_agree_in_whatever_order_and_in_whatever_pieces_they_hear(one, other, dice):
    """A purge is told by every replica, and nothing says whose word comes first, or how much of it at once."""
    stamps = set()
    for _ in range(4):
        near = NearCache(1 << 20, FakeClock(), longest_call=LONGEST)
        left = {"one": list(one), "other": list(other)}
        told = dict.fromkeys(left, 0)
        while any(left.values()):
            epoch = dice.choice([name for name, changes in left.items() if changes])
            size = dice.randint(1, len(left[epoch]))
            piece, left[epoch] = left[epoch][:size], left[epoch][size:]
            told[epoch] += size
            near.hear(at(told[epoch], epoch), piece)
        stamps.add((near.stamp_of(ONE), near.stamp_of(OTHER)))
    assert len(stamps) == 1


def test_an_edge_that_came_later_agrees_once_no_call_from_before_can_run(near, clock):
    """It has not heard of what was purged before it came, and there is nobody left to be parted from."""
    near.hear(at(4), [Selection(tenant="acme"), Selection(key_prefix=ONE)])
    clock.advance(LONGEST - 1)
    assert near.stamp_of(ONE) and near.stamp_of(OTHER)
    later = NearCache(1 << 20, clock, longest_call=LONGEST)
    later.begin(at(4), before="")
    clock.advance(1)
    assert near.stamp_of(ONE) == later.stamp_of(ONE) == b""
    for edge in (near, later):
        edge.hear(at(5), [Selection(key_prefix=ONE)])
    assert near.stamp_of(ONE) == later.stamp_of(ONE) != b""


def test_a_log_that_two_replicas_tell_is_one(near):
    near.hear(at(2), [Selection(key_prefix=OTHER), Selection(key_prefix=ONE)])
    ahead = near.stamp_of(ONE)
    near.hear(at(1), [Selection(key_prefix=ONE)])
    assert near.stamp_of(ONE) == ahead


def test_what_is_remembered_of_single_keys_is_bounded(near):
    keys = [number.to_bytes(32) for number in range(5_000)]
    for version, key in enumerate(keys, 1):
        near.hear(at(version), [Selection(key_prefix=key)])
    assert near.stamp_of(keys[0]) == b"" != near.stamp_of(keys[-1])
