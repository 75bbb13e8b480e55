"""Generated keys catch typing errors, and only hashes are kept."""

import hashlib
import hmac
import string
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.keys import PREFIX, generate_key, hash_key, is_mistyped

ALPHABET = string.ascii_letters + string.digits
KEYS = [generate_key() for _ in range(50)]  # a strategy must give the same for the same seed
KEY = KEYS[0]


def test_a_generated_key_has_the_documented_form():
    assert len(KEY) == 53
    assert KEY.startswith(PREFIX)
    assert set(KEY.removeprefix(PREFIX)) <= set(ALPHABET)


def test_generated_keys_differ_and_are_well_typed():
    keys = {generate_key() for _ in range(1000)}
    assert len(keys) == 1000
    assert not any(map(is_mistyped, keys))


def test_every_single_character_typo_is_caught():
    """All of them: each position of the key's body with each other character of the alphabet."""
    typos = (KEY[:at] + other + KEY[at + 1 :] for at in range(len(PREFIX), len(KEY)) for other in ALPHABET)
    assert [typo for typo in typos if typo != KEY and not is_mistyped(typo)] == []


@given(st.sampled_from(KEYS), st.data())
def test_a_typo_in_any_key_is_caught(key, data):
    at = data.draw(st.integers(len(PREFIX), len(key) - 1))
    other = data.draw(st.sampled_from(ALPHABET).filter(lambda character: character != key[at]))
    assert is_mistyped(key[:at] + other + key[at + 1 :])


@given(st.sampled_from(KEYS), st.data())
def test_two_neighbours_typed_the_wrong_way_round_are_caught(key, data):
    at = data.draw(st.integers(len(PREFIX), len(key) - 2).filter(lambda at: key[at] != key[at + 1]))
    assert is_mistyped(key[:at] + key[at + 1] + key[at] + key[at + 2 :])


@given(st.sampled_from(KEYS), st.data())
def test_a_key_cut_short_or_typed_on_is_caught(key, data):
    assert is_mistyped(key[: data.draw(st.integers(len(PREFIX), len(key) - 1))])
    assert is_mistyped(key + data.draw(st.sampled_from(ALPHABET)))


@given(st.text().filter(lambda text: not text.startswith(PREFIX)))
def test_a_secret_that_the_operator_chose_is_never_called_mistyped(secret):
    assert not is_mistyped(secret)


def test_the_hash_is_what_any_other_tool_computes():
    assert hash_key("abc") == "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert hash_key("Hi", pepper="key") == "sha256:" + hmac.new(b"key", b"Hi", hashlib.sha256).hexdigest()


@pytest.mark.parametrize("pepper", [None, "p"])
def test_the_hash_holds_nothing_of_the_key(pepper):
    assert KEY.removeprefix(PREFIX) not in hash_key(KEY, pepper)
    assert hash_key(KEY, pepper) != hash_key(KEY, "another pepper")


@given(st.text(ALPHABET + "_-é", max_size=60))
def test_what_looks_generated_is_well_typed_only_with_its_checksum(body):
    """Nobody makes a key up that passes, other than by computing CRC-32 as we do."""
    random_part, check = body[:43], body[43:]
    is_well_typed = len(random_part) == 43 and check == _check(random_part)
    assert is_mistyped(PREFIX + body) is not is_well_typed
    if len(random_part) == 43:
        assert not is_mistyped(PREFIX + random_part + _check(random_part))


def _check(text):
    """CRC-32 in six digits of base 62, as other tools would write it."""
    number, digits = zlib.crc32(text.encode()), ""
    while len(digits) < 6:
        number, digit = divmod(number, 62)
        digits = (string.digits + string.ascii_uppercase + string.ascii_lowercase)[digit] + digits
    return digits


@given(st.text(min_size=1, max_size=40).filter(str.isascii), st.none() | st.text(min_size=1, max_size=9))
def test_a_hash_is_no_key_and_has_another_hash(key, pepper):
    digest = hash_key(key, pepper)
    assert digest != hash_key(digest, pepper)
    assert len(digest) == len("sha256:") + 64
