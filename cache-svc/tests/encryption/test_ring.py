"""How long a data key seals, and how long it can still unseal."""

from cache_svc.encryption.ring import LONGEST_LIFE, LONGEST_USE, MOST_KEYS, SHARE, Ring
from cache_svc.encryption.sealing import DataKey

NOW = 1_800_000_000


def key(number, made_at=NOW):
    return DataKey(number.to_bytes(8, "big"), b"s" * 32, made_at)


def test_the_newest_key_seals_and_every_key_is_found():
    keys = [key(2), key(1)]
    ring = Ring(keys, b"", read_at=0)
    assert ring.spend() is ring.newest is keys[0]
    assert [ring.find(each.id) for each in keys] == keys
    assert ring.find(b"unknown!") is None


def test_a_key_is_worn_by_its_share_of_messages():
    ring = Ring([key(1)], b"", read_at=0)
    ring.spent = SHARE - 1
    assert not ring.is_worn(NOW)
    ring.spend()
    assert ring.is_worn(NOW)


def test_a_key_is_worn_by_age():
    ring = Ring([key(1)], b"", read_at=0)
    assert not ring.is_worn(NOW + LONGEST_USE - 1)
    assert ring.is_worn(NOW + LONGEST_USE)


def test_shares_of_all_processes_that_there_may_be_stay_within_the_bound():
    assert 256 * SHARE <= 1 << 32


def test_counting_goes_on_for_the_same_key_and_begins_anew_for_another():
    before = Ring([key(1)], b"before", read_at=0)
    before.spend()
    same, other = Ring([key(1)], b"wrapped anew", read_at=1), Ring([key(2), key(1)], b"", read_at=1)
    same.follow(before)
    other.follow(before)
    assert (same.spent, other.spent) == (1, 0)


def test_a_key_is_needed_as_long_as_an_entry_may_live():
    """The oldest key ended when the second was made, the second when the third was."""
    keys = [key(3, NOW), key(2, NOW - 100), key(1, NOW - 200)]
    ring = Ring(keys, b"", read_at=0)
    assert ring.list_needed(NOW) == tuple(keys)
    assert ring.list_needed(NOW - 100 + LONGEST_LIFE - 1) == tuple(keys)
    assert ring.list_needed(NOW - 100 + LONGEST_LIFE) == tuple(keys[:2])


def test_the_newest_key_is_needed_however_old_it_is():
    ring = Ring([key(1, NOW)], b"", read_at=0)
    assert ring.list_needed(NOW + 10 * LONGEST_LIFE) == ring.keys


def test_keys_are_bounded_in_number():
    ring = Ring([key(number) for number in range(MOST_KEYS)], b"", read_at=0)
    assert ring.list_needed(NOW) == ring.keys[: MOST_KEYS - 1]
