"""What was sealed opens in its own place, whole and unchanged, or not at all."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_svc.encryption.sealing import OVERHEAD, DataKey, Place, frame, name_key, seal, unseal

KEY = DataKey(b"k" * 8, bytes(range(32)), made_at=1_800_000_000)
PLACE = Place("acme", b"f" * 32)
NONCE = b"n" * 12
SEALED = seal(KEY, PLACE, NONCE, b"an answer")
places = st.builds(Place, st.text(max_size=8), st.binary(max_size=40))


@given(st.binary(max_size=2000), places, st.binary(min_size=12, max_size=12))
def test_an_answer_comes_out_as_it_went_in(answer, place, nonce):
    sealed = seal(KEY, place, nonce, answer)
    assert unseal(KEY, place, sealed) == answer
    assert len(sealed) == len(answer) + OVERHEAD
    assert name_key(sealed) == KEY.id


def test_every_flipped_bit_is_noticed():
    for position in range(len(SEALED) * 8):
        flipped = bytearray(SEALED)
        flipped[position // 8] ^= 1 << position % 8
        assert unseal(KEY, PLACE, bytes(flipped)) is None


def test_every_cut_and_every_addition_is_noticed():
    for end in range(len(SEALED)):
        assert unseal(KEY, PLACE, SEALED[:end]) is None
        assert unseal(KEY, PLACE, SEALED[len(SEALED) - end :]) is None
    assert unseal(KEY, PLACE, SEALED + b"\0") is None


@given(st.binary(max_size=200))
def test_any_bytes_are_a_miss_and_never_an_error(noise):
    assert unseal(KEY, PLACE, noise) is None
    assert unseal(KEY, PLACE, SEALED[:9] + noise) is None


@given(places, places, st.binary(max_size=50))
def test_an_answer_opens_in_no_other_place(here, there, answer):
    assert (unseal(KEY, there, seal(KEY, here, NONCE, answer)) == answer) == (here == there)


def test_parts_cannot_trade_bytes():
    """The tenant's end cannot pass for the fingerprint's beginning."""
    assert unseal(KEY, Place("ac", b"me" + b"f" * 32), SEALED) is None
    assert unseal(KEY, Place("acmef", b"f" * 31), SEALED) is None


def test_another_key_does_not_open_it_whatever_its_name():
    assert unseal(replace(KEY, secret=b"s" * 32), PLACE, SEALED) is None
    assert unseal(replace(KEY, id=b"o" * 8), PLACE, SEALED) is None


def test_a_key_does_not_show_itself():
    key = DataKey(b"k" * 8, b"canary-secret-canary-secret-cana", made_at=0)
    assert "canary" not in repr(key)


@given(st.lists(st.binary(max_size=4), max_size=4), st.lists(st.binary(max_size=4), max_size=4))
def test_frames_of_different_parts_differ(some, others):
    assert (frame(*some) == frame(*others)) == (some == others)


@pytest.mark.parametrize("size", [0, 1, 11, 13])
def test_a_nonce_of_another_size_never_makes_an_answer_that_opens(size):
    """The heart takes its nonce from outside; a wrong one must not pass unseen."""
    try:
        sealed = seal(KEY, PLACE, b"n" * size, b"an answer")
    except ValueError:
        return
    assert unseal(KEY, PLACE, sealed) is None
