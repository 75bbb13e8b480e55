"""Compression of messages (RFC 7692): without context takeover, so that an idle connection keeps no window. Pure."""

import zlib
from collections.abc import Callable

NAME = "permessage-deflate"
AGREED = f"{NAME}; server_no_context_takeover; client_no_context_takeover"
BITS = 15
LEVEL = 1  # most of the gain for a fraction of the time; memory lives for one message only
WORTH = 512  # bytes below which a message is sent as it is
TAIL = b"\0\0\xff\xff"  # what a sender leaves away (section 7.2.1)

Inflate = Callable[[bytes, int], bytes]


class TooLargeError(Exception):
    """It would be more than there may be."""


class NotDeflatedError(Exception):
    """It is none of what DEFLATE writes."""


def agree(offers: str) -> str:
    """The extension that is agreed on for the client's `sec-websocket-extensions`, as it is answered; "" where none of the offers can be
    taken: a parameter that is not known here declines its offer (section 7.1)."""
    return next((answer for offer in offers.split(",") if (answer := _agree_to(offer))), "")


def _agree_to(offer: str) -> str:
    name, *parameters = (part.strip() for part in offer.split(";"))
    if name.lower() != NAME:
        return ""
    bits = BITS
    seen: set[str] = set()
    for parameter in parameters:
        key, _, value = (part.strip().strip('"') for part in parameter.partition("="))
        if key in seen or not _is_fine(key, value):
            return ""
        seen.add(key)
        bits = int(value) if key == "server_max_window_bits" else bits
    return AGREED if bits == BITS else ""


def _is_fine(key: str, value: str) -> bool:
    if key in {"server_no_context_takeover", "client_no_context_takeover"}:
        return not value
    if key == "client_max_window_bits":
        return not value or value in _WINDOWS
    return key == "server_max_window_bits" and value in _WINDOWS


_WINDOWS = frozenset(map(str, range(8, 16)))


def inflate(data: bytes, most: int) -> bytes:
    """One message. Stops at `most` bytes: a bomb never goes off. Raises TooLargeError, NotDeflatedError."""
    inflater = zlib.decompressobj(-BITS)
    try:
        whole = inflater.decompress(data + TAIL, most + 1)
    except zlib.error as error:
        raise NotDeflatedError from error
    if len(whole) > most:
        raise TooLargeError
    return whole


def deflate(data: bytes) -> bytes:
    """One message, without the tail."""
    deflater = zlib.compressobj(LEVEL, zlib.DEFLATED, -BITS)
    return (deflater.compress(data) + deflater.flush(zlib.Z_SYNC_FLUSH)).removesuffix(TAIL)
