"""What goes wrong with an answer, in whatever dialect it is: one table for each place where something can."""

import gzip
from collections.abc import Callable, Iterable, Iterator
from email.utils import formatdate
from time import time

from aiohttp import web

from fake_provider.dialect import JSON, Dialect
from fake_provider.exchange import Exchange
from fake_provider.refusal import Refusal
from fake_provider.wishes import Wishes

PAGE = (
    b"<html><head><title>503</title></head><body><h1>Service <script>alert(1)</script> Unavailable</h1></body></html>"
)
Pieces = Iterable[bytes | None]  # None: the connection breaks here


def stand_in(exchange: Exchange, dialect: Dialect, url: str) -> web.Response | None:
    """An answer that is over with its status, instead of the real one."""
    wishes = exchange.wishes
    if wishes.redirect:
        return web.Response(status=307, headers={"location": url})
    if wishes.html_503 or wishes.html_200:
        return web.Response(status=503 if wishes.html_503 else 200, body=PAGE, content_type="text/html")
    if wishes.status == 200 and not wishes.error_200:
        return None
    status = wishes.status if wishes.status != 200 else 500
    body = dialect.error(Refusal(f"the fake provider says {wishes.status}", status=status, code=f"fake_{status}"))
    return web.Response(status=wishes.status, body=body, headers=_hints(wishes), content_type=JSON)


def _hints(wishes: Wishes) -> dict[str, str]:
    """When to come back."""
    date = formatdate(time() + wishes.retry_after_date, usegmt=True) if wishes.retry_after_date else ""
    hints = {"retry-after": wishes.retry_after or date, "retry-after-ms": wishes.retry_after_ms}
    return {name: value for name, value in hints.items() if value}


def spoil_document(pieces: Iterable[bytes], exchange: Exchange) -> Pieces:
    """A whole answer's pieces as they are written."""
    wishes = exchange.wishes
    return _spoil([b"<<<"] if wishes.garbage else pieces, wishes)


def spoil_events(events: Iterable[bytes], exchange: Exchange, dialect: Dialect) -> Pieces:
    """A stream's pieces as they are written."""
    spoilt: Iterable[bytes] = events
    for wish, change in TO_EVENTS.items():
        if getattr(exchange.wishes, wish):
            spoilt = change(spoilt, exchange, dialect)
    return _spoil(spoilt, exchange.wishes)


def _break_with_error(events: Iterable[bytes], exchange: Exchange, dialect: Dialect) -> Iterator[bytes]:
    yield from _first(events, exchange.wishes.error_event)
    yield dialect.error_event(exchange)


def _break_with_failure(events: Iterable[bytes], exchange: Exchange, dialect: Dialect) -> Iterator[bytes]:
    yield from _first(events, exchange.wishes.failed_event)
    yield (dialect.failed_event or dialect.error_event)(exchange)


def _first(events: Iterable[bytes], count: int) -> Iterator[bytes]:
    yield from (event for event, _ in zip(events, range(count), strict=False))


def _insert_garbage(events: Iterable[bytes], _exchange: Exchange, _dialect: Dialect) -> Iterator[bytes]:
    for number, event in enumerate(events):
        if number == 2:
            yield b"data: <<<garbage>>>\n\n"
        yield event


def _leave_out_end(events: Iterable[bytes], _exchange: Exchange, dialect: Dialect) -> Iterator[bytes]:
    return (event for event in events if not dialect.is_end(event))


def _insert_comments(events: Iterable[bytes], _exchange: Exchange, _dialect: Dialect) -> Iterator[bytes]:
    return (b": still there\n\n" + event for event in events)


def _end_with_crlf(events: Iterable[bytes], _exchange: Exchange, _dialect: Dialect) -> Iterator[bytes]:
    return (event.replace(b"\n", b"\r\n") for event in events)


TO_EVENTS: dict[str, Callable[[Iterable[bytes], Exchange, Dialect], Iterator[bytes]]] = {
    "error_event": _break_with_error,
    "failed_event": _break_with_failure,
    "garbage": _insert_garbage,
    "no_done": _leave_out_end,
    "comments": _insert_comments,
    "crlf": _end_with_crlf,
}


def _spoil(pieces: Pieces, wishes: Wishes) -> Pieces:
    for wish, change in TO_PIECES.items():
        if getattr(wishes, wish):
            pieces = change(pieces, wishes)
    return pieces


def _cut_events(pieces: Pieces, wishes: Wishes) -> Iterator[bytes | None]:
    for piece, _ in zip(pieces, range(wishes.cut_events), strict=False):
        yield piece
    yield None


def _cut_inside(pieces: Pieces, wishes: Wishes) -> Iterator[bytes | None]:
    for number, piece in enumerate(pieces, start=1):
        if piece is None or number == wishes.cut_inside:
            yield (piece or b"")[: len(piece or b"") // 2]
            break
        yield piece
    yield None


def _compress(pieces: Pieces, _wishes: Wishes) -> Iterator[bytes | None]:
    whole = list(pieces)
    yield gzip.compress(b"".join(piece for piece in whole if piece is not None))
    if None in whole:
        yield None


def _drip(pieces: Pieces, wishes: Wishes) -> Iterator[bytes | None]:
    for piece in pieces:
        if piece is None:
            yield None
        else:
            yield from (piece[start : start + wishes.drip] for start in range(0, len(piece), wishes.drip))


def _cut_character(pieces: Pieces, _wishes: Wishes) -> Iterator[bytes | None]:
    for piece in pieces:
        inside = _first_continuation(piece or b"")
        if piece is None or inside is not None:
            yield (piece or b"")[:inside]
            break
        yield piece
    yield None


def _first_continuation(piece: bytes) -> int | None:
    """Where the second byte of the first character of several bytes stands."""
    lead = next((at for at, byte in enumerate(piece) if byte >= 0xC0), None)
    return None if lead is None else lead + 1


def _cut(pieces: Pieces, wishes: Wishes) -> Iterator[bytes | None]:
    yield from _end(pieces, wishes.cut)
    yield None


def _end_early(pieces: Pieces, wishes: Wishes) -> Iterator[bytes | None]:
    return _end(pieces, wishes.end)


def _end(pieces: Pieces, left: int) -> Iterator[bytes | None]:
    for piece in pieces:
        if piece is None:
            yield None
            return
        yield piece[:left]
        left -= len(piece)
        if left <= 0:
            return


TO_PIECES: dict[str, Callable[[Pieces, Wishes], Pieces]] = {
    "cut_events": _cut_events,
    "cut_inside": _cut_inside,
    "gzip": _compress,
    "cut_character": _cut_character,
    "drip": _drip,
    "cut": _cut,
    "end": _end_early,
}
