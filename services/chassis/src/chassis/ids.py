"""Ids from outside, so that tests own them."""

import os
import time
from collections.abc import Callable

NewId = Callable[[], str]

_ALPHABET = b"0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32, lower case: sorts as the number does
_RANDOM = bytes(_ALPHABET[byte & 31] for byte in range(256))  # five random bits of each byte
_RANDOM_SIZE = 16  # characters of five bits: 80 bits


class _Milliseconds:
    """The first ten characters of an id, written once a millisecond."""

    def __init__(self) -> None:
        self._ms = -1
        self._text = ""

    def __call__(self) -> str:
        ms = time.time_ns() // 1_000_000
        if ms != self._ms:
            self._ms = ms
            self._text = "req_" + bytes([_ALPHABET[ms >> shift & 31] for shift in range(45, -1, -5)]).decode()
        return self._text


_write_time = _Milliseconds()


def new_call_id() -> str:
    """A call's id: `req_` and a ULID (48 bits of milliseconds, 80 random bits), so that ids sort by time."""
    return _write_time() + os.urandom(_RANDOM_SIZE).translate(_RANDOM).decode()
