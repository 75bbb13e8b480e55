"""API keys: generated ones carry a checksum, and only hashes are kept.

A generated key is `rsk_`, 256 random bits and a checksum (CRC-32) of them, in base 62. The hash of a key with 256 random
bits needs no salt: SHA-256, or HMAC-SHA-256 when a pepper is configured (the same on every replica).
"""

import hashlib
import hmac
import secrets
import zlib

PREFIX = "rsk_"
HASH_PREFIX = "sha256:"
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RANDOM_DIGITS, _CHECK_DIGITS = 43, 6


def generate_key() -> str:
    """A new key: 53 characters."""
    random_part = _base62(secrets.randbits(256), _RANDOM_DIGITS)
    return PREFIX + random_part + _checksum(random_part)


def is_mistyped(key: str) -> bool:
    """Whether `key` looks generated but its checksum does not hold: it can be refused without a look-up."""
    if not key.startswith(PREFIX):
        return False
    body = key[len(PREFIX) :]
    return len(body) != _RANDOM_DIGITS + _CHECK_DIGITS or _checksum(body[:_RANDOM_DIGITS]) != body[_RANDOM_DIGITS:]


def hash_key(key: str, pepper: str | None = None) -> str:
    """What is kept instead of the key, as the configuration writes it: `sha256:` and 64 hex digits."""
    if pepper is None:
        return HASH_PREFIX + hashlib.sha256(key.encode()).hexdigest()
    return HASH_PREFIX + hmac.digest(pepper.encode(), key.encode(), "sha256").hex()


def _checksum(text: str) -> str:
    return _base62(zlib.crc32(text.encode()), _CHECK_DIGITS)


def _base62(number: int, digits: int) -> str:
    text = ""
    for _ in range(digits):
        number, digit = divmod(number, 62)
        text = _ALPHABET[digit] + text
    return text
