"""Ids from outside, so that tests own them."""

import os
import time
from collections.abc import Callable

NewId = Callable[[], str]

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32, lower case: sorts as the number does
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]


def new_call_id() -> str:
    """A call's id: `req_` and a ULID (48 bits of milliseconds, 80 random bits), so that ids sort by time."""
    number = (time.time_ns() // 1_000_000 << 80) | int.from_bytes(os.urandom(10))
    return "req_" + "".join([_PAIRS[number >> shift & 1023] for shift in range(120, -1, -10)])
