"""What the fake provider has to know of each dialect."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fake_provider.exchange import Exchange
from fake_provider.refusal import Refusal

JSON = "application/json"


def check_nothing(_exchange: Exchange) -> None:
    """For endpoints whose mistakes show in their answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """`document` gives the whole answer, in one piece or several; `events` a stream's events, its end included. `check` raises
    Refusal. `media_type` is a document's."""

    name: str
    request_id: str  # the header that carries it
    error: Callable[[Refusal], bytes]  # the body of a refusal
    error_event: Callable[[Exchange], bytes]  # in the middle of a stream
    document: Callable[[Exchange], bytes | Iterable[bytes]]
    events: Callable[[Exchange], Iterator[bytes]] | None = None
    is_end: Callable[[bytes], bool] = lambda _event: False
    check: Callable[[Exchange], None] = check_nothing
    media_type: Callable[[Exchange], str] = lambda _exchange: JSON
    failed_event: Callable[[Exchange], bytes] | None = None
    plain: Mapping[str, Any] | None = (
        None  # what a lax provider takes every question for, where it would have to look at it
    )
