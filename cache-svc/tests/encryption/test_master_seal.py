"""What is sealed under the master key is read by who has it, in its own place."""

import secrets

from hypothesis import given
from hypothesis import strategies as st

from cache_svc.encryption.master_seal import MasterSeal

ONE, OTHER = b"1" * 32, b"2" * 32


def seal_with(*masters, purpose=b"log"):
    return MasterSeal(purpose, masters, secrets.token_bytes)


SEAL = seal_with(ONE)


@given(st.binary(max_size=500), st.binary(max_size=40), st.binary(max_size=40))
def test_a_text_comes_out_as_it_went_in_and_in_its_own_place_only(text, place, other):
    sealed = SEAL.seal(text, place)
    assert SEAL.unseal(sealed, place) == text
    assert (SEAL.unseal(sealed, other) == text) == (other == place)


def test_the_same_text_is_never_sealed_to_the_same_bytes():
    assert len({SEAL.seal(b"text") for _ in range(50)}) == 50


def test_every_flipped_bit_and_every_cut_is_noticed():
    sealed = SEAL.seal(b"text")
    for bit in range(len(sealed) * 8):
        flipped = bytearray(sealed)
        flipped[bit // 8] ^= 1 << bit % 8
        assert SEAL.unseal(bytes(flipped)) is None
    assert not [end for end in range(len(sealed)) if SEAL.unseal(sealed[:end]) is not None]


@given(st.binary(max_size=100))
def test_any_bytes_are_none(noise):
    assert SEAL.unseal(noise) is None


def test_previous_master_keys_unseal_and_others_do_not():
    sealed = SEAL.seal(b"text")
    assert seal_with(OTHER, ONE).unseal(sealed) == b"text"
    assert seal_with(OTHER).unseal(sealed) is None
    assert SEAL.unseal(seal_with(OTHER, ONE).seal(b"text")) is None


def test_a_text_is_sealed_for_one_purpose():
    assert seal_with(ONE, purpose=b"state").unseal(SEAL.seal(b"text")) is None
