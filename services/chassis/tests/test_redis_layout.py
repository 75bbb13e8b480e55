"""Which server of a cluster keeps which keys, and how a cluster is named."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.config import ConfigError
from chassis.redis import ClusterPool
from chassis.redis_layout import Address, Layout, key_of, slot_of, tells_of_moves
from chassis.redis_url import ClusterUrl, is_cluster

ASKED = Address("asked", 1)
HALVES = [[8192, 16383, [b"b", 2, b"id"], [b"replica", 9, b"id"]], [0, 8191, [b"a", 1, b"id"]]]


@given(st.sets(st.integers(0, 16_383), min_size=1, max_size=20), st.integers(0, 16_383))
def test_a_slot_has_the_owner_of_its_range(borders, slot):
    edges = [*sorted(borders), 16_384]
    reply = [[first, behind - 1, [b"h", first, b"id"]] for first, behind in pairwise(edges)]
    expected = [Address("h", first) for first in sorted(borders) if first <= slot]
    assert Layout.read(reply, ASKED).find_owner(slot) == (expected[-1] if expected else None)


def test_masters_are_named_once_and_replicas_never():
    layout = Layout.read([*HALVES, [100, 200, [b"a", 1, b"id"]]], ASKED)
    assert layout.masters == (Address("a", 1), Address("b", 2))


def test_slots_that_nobody_keeps_have_no_owner():
    layout = Layout.read([[10, 20, [b"a", 1, b"id"]]], ASKED)
    assert [layout.find_owner(slot) for slot in (9, 10, 20, 21)] == [None, Address("a", 1), Address("a", 1), None]
    assert Layout.read([], ASKED).find_owner(0) is None


@pytest.mark.parametrize("host", [None, b"", b"?"])
def test_a_server_that_does_not_know_its_name_has_that_which_was_asked(host):
    assert Layout.read([[0, 16_383, [host, 7, b"id"]]], ASKED).find_owner(5) == Address("asked", 7)


def test_layouts_are_equal_however_they_are_told():
    assert Layout.read(HALVES, ASKED) == Layout.read(HALVES[::-1], ASKED)


def test_slots_are_those_of_the_specification():
    """Its own example, and braces."""
    assert slot_of(b"123456789") == 0x31C3
    assert slot_of("{user1000}.following") == slot_of(b"{user1000}.followers") == slot_of("user1000")
    assert slot_of("foo{}bar") != slot_of("foo{}baz")


def test_the_key_is_found_in_each_command_that_is_used():
    assert key_of("GET", ["k"]) == "k"
    assert key_of("XREAD", ["COUNT", 1, "BLOCK", 2, "STREAMS", "log", "0-0"]) == "log"
    with pytest.raises(ValueError, match="names no key"):
        key_of("PING", [])


@pytest.mark.parametrize(
    ("text", "is_moving"),
    [
        (b"id 127.0.0.1:1@2 myself,master - 0 0 1 connected 0-5460", False),
        (b"id ::1:1@2 myself,master - 0 0 1 connected 0-5460", False),
        (b"id 127.0.0.1:1@2 myself,master - 0 0 1 connected 0-5460 [77->-other]", True),
        (b"id 127.0.0.1:1@2 myself,master - 0 0 1 connected [77-<-other]", True),
    ],
)
def test_slots_that_move_are_noticed(text, is_moving):
    assert tells_of_moves([b"id 127.0.0.1:3@4 master", text]) is is_moving


@pytest.mark.parametrize(
    ("url", "first"),
    [
        ("redis+cluster://a", "redis://a:6379/0"),
        ("redis+cluster://a:7000,b:7001", "redis://a:7000/0"),
        ("redis+cluster://[::1]:7000/0", "redis://[::1]:7000/0"),
        ("rediss+cluster://user:p@ss@a,b?ssl_cert_reqs=none", "rediss://user:p@ss@a:6379/0?ssl_cert_reqs=none"),
    ],
)
def test_each_server_is_spoken_to_as_the_address_says(url, first):
    cluster = ClusterUrl.read(url)
    assert is_cluster(url)
    assert cluster.of(cluster.seeds[0]) == first
    assert "p@ss" not in repr(cluster)


@pytest.mark.parametrize(
    "url",
    [
        "redis+cluster://",
        "redis+cluster://a,",
        "redis+cluster://user:s3cret@a:0",
        "redis+cluster://user:s3cret@a:65536",
        "redis+cluster://user:s3cret@a:port",
        "redis+cluster://user:s3cret@a/1",
        "redis://user:s3cret@a",
    ],
)
def test_what_is_no_clusters_address_is_a_configuration_error_without_its_password(url):
    with pytest.raises(ConfigError) as caught:
        ClusterPool(url)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__suppress_context__
