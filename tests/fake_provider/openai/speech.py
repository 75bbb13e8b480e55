"""Speech: sound in pieces, as long as its input; or events with it."""

import base64
import struct
from collections.abc import Iterator

from fake_provider.dialect import Dialect
from fake_provider.exchange import Exchange
from fake_provider.openai import errors
from fake_provider.refusal import demand
from fake_provider.sse import named

MEDIA_TYPES = {
    "mp3": "audio/mpeg",
    "opus": "audio/opus",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}
RATE = 24_000  # samples a second, of 16 bits
A_CHARACTER = b"\x00\x10\x00\xf0" * 240  # 20 ms of a tone


def check(exchange: Exchange) -> None:
    asked = exchange.document
    for name in ("model", "input", "voice"):
        demand(asked.get(name), f"Missing required parameter: '{name}'.", param=name)
    demand(_format(exchange) in MEDIA_TYPES, f"Invalid value: '{_format(exchange)}'.", param="response_format")
    demand(len(asked["input"]) <= 4096, "Invalid 'input': string too long.", param="input")


def _format(exchange: Exchange) -> str:
    return str(exchange.document.get("response_format") or "mp3")


def media_type(exchange: Exchange) -> str:
    return MEDIA_TYPES[_format(exchange)]


def sound(exchange: Exchange) -> Iterator[bytes]:
    """One piece for each character. Whatever the format's name: samples, behind a head where it is wav."""
    text = str(exchange.document["input"])
    if _format(exchange) == "wav":
        yield _wav_head(len(text) * len(A_CHARACTER))
    yield from (A_CHARACTER for _ in text)


def _wav_head(size: int) -> bytes:
    """RIFF's head for 16 bit, one channel."""
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, RATE, 2 * RATE, 2, 16)
    return struct.pack("<4sI4s", b"RIFF", 36 + size, b"WAVE") + form + struct.pack("<4sI", b"data", size)


def events(exchange: Exchange) -> Iterator[bytes]:
    for piece in sound(exchange):
        yield named({"type": "speech.audio.delta", "audio": base64.b64encode(piece).decode()})
    heard, said = len(str(exchange.document["input"]).split()), len(str(exchange.document["input"]))
    usage = {"input_tokens": heard, "output_tokens": said, "total_tokens": heard + said}
    yield named({"type": "speech.audio.done", "usage": usage})


def is_end(event: bytes) -> bool:
    return event.startswith(b"event: speech.audio.done")


DIALECT = Dialect(
    name="openai speech",
    request_id=errors.REQUEST_ID,
    error=errors.error,
    error_event=errors.error_event,
    document=sound,
    events=events,
    is_end=is_end,
    check=check,
    media_type=media_type,
    plain={"input": "rain"},
)
