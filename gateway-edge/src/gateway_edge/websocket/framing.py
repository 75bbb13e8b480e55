"""Frames that a server sends (RFC 6455, section 5.2): whole messages, never masked. Pure."""

from websockets.frames import OP_BINARY, OP_CLOSE, OP_PING, OP_PONG, OP_TEXT

FIN = 0x80
COMPRESSED = 0x40  # RSV1, as permessage-deflate uses it (RFC 7692, section 6)
LONGEST_REASON = 123  # bytes: a control frame holds 125, and the code takes two

PING = bytes((FIN | OP_PING, 0))

_TEXT, _BINARY, _CLOSE, _PONG = (bytes((FIN | opcode,)) for opcode in (OP_TEXT, OP_BINARY, OP_CLOSE, OP_PONG))
_COMPRESSED = {_TEXT: bytes((FIN | COMPRESSED | OP_TEXT,)), _BINARY: bytes((FIN | COMPRESSED | OP_BINARY,))}


def frame_text(text: bytes) -> bytes:
    """A text message; `text` is UTF-8."""
    return _frame(_TEXT, text)


def frame_binary(data: bytes) -> bytes:
    """A binary message."""
    return _frame(_BINARY, data)


def frame_compressed(data: bytes, *, is_text: bool) -> bytes:
    """A message whose payload is deflated already."""
    return _frame(_COMPRESSED[_TEXT if is_text else _BINARY], data)


def frame_pong(data: bytes) -> bytes:
    """The answer to a ping with `data`."""
    return _frame(_PONG, data)


def frame_close(code: int, reason: str = "") -> bytes:
    """The last frame. `reason` is cut to what fits, between two characters; code 0 says nothing."""
    if not code:
        return _frame(_CLOSE, b"")
    text = reason.encode("utf-8", "replace")[:LONGEST_REASON].decode("utf-8", "ignore")
    return _frame(_CLOSE, code.to_bytes(2, "big") + text.encode())


def _frame(first: bytes, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return first + bytes((size,)) + payload
    if size < 1 << 16:
        return first + b"\x7e" + size.to_bytes(2, "big") + payload
    return first + b"\x7f" + size.to_bytes(8, "big") + payload
