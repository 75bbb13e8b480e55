"""Transcriptions and translations of a sound in a form."""

from collections.abc import Callable, Iterator
from typing import Any

import orjson

from fake_provider import words
from fake_provider.dialect import JSON, Dialect
from fake_provider.exchange import Exchange
from fake_provider.multipart import Upload
from fake_provider.openai import errors, logprobs
from fake_provider.refusal import demand
from fake_provider.sse import named

SECONDS = 2.0
LANGUAGE = "english"


def check(exchange: Exchange) -> None:
    asked = exchange.document
    demand(_find(exchange) is not None, "Missing required parameter: 'file'.", param="file")
    demand(asked.get("model"), "Missing required parameter: 'model'.", param="model")
    form = asked.get("response_format") or "json"
    demand(form in FORMS, f"Invalid value: '{form}'.", param="response_format")


def _find(exchange: Exchange) -> Upload | None:
    return next((upload for upload in exchange.uploads if upload.field == "file"), None)


def _pieces(exchange: Exchange) -> list[str]:
    """What the fake model heard: the file, and the wished words."""
    upload = _find(exchange)
    assert upload is not None
    heard = f"[{upload.filename} {upload.media_type} {len(upload.content)} bytes]"
    said = words.say(exchange.wishes)
    return [heard, *(f" {piece}" if number == 0 else piece for number, piece in enumerate(said))]


def document(exchange: Exchange) -> bytes:
    form = str(exchange.document.get("response_format") or "json")
    return FORMS[form](_pieces(exchange), exchange)


def media_type(exchange: Exchange) -> str:
    form = exchange.document.get("response_format") or "json"
    return JSON if form in {"json", "verbose_json"} else "text/plain"


def _json(pieces: list[str], exchange: Exchange) -> bytes:
    if exchange.path.endswith("/translations"):
        return orjson.dumps({"text": "".join(pieces)})
    body: dict[str, Any] = {"text": "".join(pieces)}
    if not exchange.wishes.no_usage:
        body["usage"] = {"type": "tokens", **_tokens(pieces)}
    if "logprobs" in (exchange.document.get("include") or ()):
        body["logprobs"] = [_bare(piece) for piece in pieces]
    return orjson.dumps(body)


def _tokens(pieces: list[str]) -> dict[str, Any]:
    details = {"text_tokens": 0, "audio_tokens": 11}
    return {
        "input_tokens": 11,
        "input_token_details": details,
        "output_tokens": len(pieces),
        "total_tokens": 11 + len(pieces),
    }


def _bare(piece: str) -> dict[str, object]:
    return {name: value for name, value in logprobs.of_piece(piece, 0).items() if name != "top_logprobs"}


def _verbose(pieces: list[str], exchange: Exchange) -> bytes:
    text = "".join(pieces)
    odds = {"temperature": 0.0, "avg_logprob": -0.25, "compression_ratio": 1.0, "no_speech_prob": 0.01}
    segment = {"id": 0, "seek": 0, "start": 0.0, "end": SECONDS, "text": text, "tokens": [1, 2], **odds}
    body: dict[str, Any] = {"language": LANGUAGE, "duration": SECONDS, "text": text, "segments": [segment]}
    if not exchange.path.endswith("/translations"):
        body["usage"] = {"type": "duration", "seconds": SECONDS}
    return orjson.dumps({"task": "transcribe", **body})


def _plain(pieces: list[str], _exchange: Exchange) -> bytes:
    return "".join(pieces).encode() + b"\n"


def _srt(pieces: list[str], _exchange: Exchange) -> bytes:
    return f"1\n00:00:00,000 --> 00:00:02,000\n{''.join(pieces)}\n\n".encode()


def _vtt(pieces: list[str], _exchange: Exchange) -> bytes:
    return f"WEBVTT\n\n00:00:00.000 --> 00:00:02.000\n{''.join(pieces)}\n\n".encode()


FORMS: dict[str, Callable[[list[str], Exchange], bytes]] = {
    "json": _json,
    "verbose_json": _verbose,
    "text": _plain,
    "srt": _srt,
    "vtt": _vtt,
}


def events(exchange: Exchange) -> Iterator[bytes]:
    pieces = _pieces(exchange)
    for piece in pieces:
        yield named({"type": "transcript.text.delta", "delta": piece})
    usage = {} if exchange.wishes.no_usage else {"usage": {"type": "tokens", **_tokens(pieces)}}
    yield named({"type": "transcript.text.done", "text": "".join(pieces), **usage})


def is_end(event: bytes) -> bool:
    return event.startswith(b"event: transcript.text.done")


def _dialect(name: str, stream: Callable[[Exchange], Iterator[bytes]] | None) -> Dialect:
    return Dialect(
        name=name,
        request_id=errors.REQUEST_ID,
        error=errors.error,
        error_event=errors.error_event,
        document=document,
        events=stream,
        is_end=is_end,
        check=check,
        media_type=media_type,
    )


TRANSCRIPTIONS = _dialect("openai transcriptions", events)
TRANSLATIONS = _dialect("openai translations", None)
