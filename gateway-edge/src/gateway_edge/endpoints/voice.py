"""How the gateway itself speaks at an endpoint: its errors whole and in a stream, and what it says while nothing comes. Pure."""

from collections.abc import Callable
from typing import NamedTuple

from chassis.errors import RunestoneError


class Voice(NamedTuple):
    """One maker's. `write_body` is given the error and the call's id; `write_event`, which ends a stream, also the last events that
    were sent. `id_header` is where the maker's clients look for the id, beside `x-request-id`."""

    ping: bytes
    write_body: Callable[[RunestoneError, str], bytes]
    write_event: Callable[[RunestoneError, str, bytes], bytes]
    id_header: str = ""
