"""Changes in a shared log are read by who has the master key."""

import secrets

from hypothesis import given
from hypothesis import strategies as st

from cache_svc.encryption.log_seal import LogSeal

ONE, OTHER = b"1" * 32, b"2" * 32
SEAL = LogSeal(ONE, (), secrets.token_bytes)


@given(st.binary(max_size=500))
def test_a_change_comes_out_as_it_went_in(change):
    assert SEAL.unseal(SEAL.seal(change)) == change


def test_the_same_change_is_never_sealed_to_the_same_bytes():
    assert len({SEAL.seal(b"change") for _ in range(50)}) == 50


def test_every_flipped_bit_and_every_cut_is_noticed():
    sealed = SEAL.seal(b"change")
    for bit in range(len(sealed) * 8):
        flipped = bytearray(sealed)
        flipped[bit // 8] ^= 1 << bit % 8
        assert SEAL.unseal(bytes(flipped)) is None
    assert not [end for end in range(len(sealed)) if SEAL.unseal(sealed[:end]) is not None]


@given(st.binary(max_size=100))
def test_any_bytes_are_none(noise):
    assert SEAL.unseal(noise) is None


def test_previous_master_keys_unseal_and_others_do_not():
    sealed = SEAL.seal(b"change")
    assert LogSeal(OTHER, (ONE,), secrets.token_bytes).unseal(sealed) == b"change"
    assert LogSeal(OTHER, (), secrets.token_bytes).unseal(sealed) is None
    assert SEAL.unseal(LogSeal(OTHER, (ONE,), secrets.token_bytes).seal(b"change")) is None
