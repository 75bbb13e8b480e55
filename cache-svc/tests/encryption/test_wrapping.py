"""A data key is read by who has the master key, as what it is and nobody else's."""

import secrets
from dataclasses import replace as changed

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from cache_svc.encryption.sealing import DataKey
from cache_svc.encryption.wrapping import LockedError, MasterKeys, WrappedKey, derive, read_record, write_record

KEY = DataKey(b"k" * 8, bytes(range(32)), made_at=1_800_000_000)
ONE, OTHER = b"1" * 32, b"2" * 32


def masters(*keys):
    return MasterKeys(keys, secrets.token_bytes)


@given(st.text(max_size=20))
def test_a_key_comes_out_as_it_went_in(owner):
    keys = masters(ONE)
    assert keys.unwrap(owner, keys.wrap(owner, KEY)) == (KEY, True)


def test_a_previous_master_key_unwraps_and_says_that_it_is_one():
    wrapped = masters(ONE).wrap("acme", KEY)
    assert masters(OTHER, b"3" * 32, ONE).unwrap("acme", wrapped) == (KEY, False)


def test_the_master_key_wraps_and_previous_ones_never_do():
    wrapped = masters(OTHER, ONE).wrap("acme", KEY)
    assert masters(OTHER).unwrap("acme", wrapped) == (KEY, True)
    with pytest.raises(LockedError):
        masters(ONE).unwrap("acme", wrapped)


def test_what_is_wrapped_is_bound_to_owner_name_and_age():
    keys = masters(ONE)
    wrapped = keys.wrap("acme", KEY)
    for owner, moved in (
        ("other", wrapped),
        ("acme", replace(wrapped, id=b"o" * 8)),
        ("acme", replace(wrapped, made_at=KEY.made_at + 1)),
    ):
        with pytest.raises(LockedError):
            keys.unwrap(owner, moved)


def test_every_flipped_bit_and_every_cut_is_noticed():
    keys = masters(ONE)
    secret = keys.wrap("acme", KEY).secret
    flipped = [
        secret[: bit // 8] + bytes([secret[bit // 8] ^ 1 << bit % 8]) + secret[bit // 8 + 1 :]
        for bit in range(len(secret) * 8)
    ]
    for damaged in (*flipped, *(secret[:end] for end in range(len(secret)))):
        with pytest.raises(LockedError):
            keys.unwrap("acme", WrappedKey(KEY.id, KEY.made_at, damaged))


def test_wrapping_twice_gives_different_bytes():
    keys = masters(ONE)
    assert keys.wrap("acme", KEY) != keys.wrap("acme", KEY)


def test_a_record_keeps_keys_in_order():
    wrapped = [masters(ONE).wrap("acme", changed(KEY, id=bytes([number]) * 8)) for number in range(3)]
    assert read_record(write_record(wrapped)) == wrapped


@given(st.binary(max_size=100))
def test_any_bytes_are_locked_and_never_another_error(noise):
    with pytest.raises(LockedError):
        for wrapped in read_record(noise):
            masters(ONE).unwrap("acme", wrapped)


def test_keys_for_different_purposes_differ():
    assert derive(ONE, b"wrap") != derive(ONE, b"labels")
    assert derive(ONE, b"wrap") != derive(OTHER, b"wrap")
    assert len(derive(ONE, b"wrap", 257)) == 257
