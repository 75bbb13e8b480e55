"""Images: generated, and edited from a form. Each is a real PNG of one pixel."""

import base64
import struct
import zlib
from collections.abc import Iterator
from functools import partial
from typing import Any

import orjson

from fake_provider.dialect import Dialect
from fake_provider.exchange import Exchange
from fake_provider.openai import errors
from fake_provider.openai.chat import CREATED
from fake_provider.refusal import demand
from fake_provider.sse import named

USAGE = {
    "input_tokens": 11,
    "input_tokens_details": {"text_tokens": 7, "image_tokens": 4},
    "output_tokens": 272,
    "total_tokens": 283,
}
SHAPE = {"background": "opaque", "output_format": "png", "quality": "low", "size": "1024x1024"}


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def paint(red: int) -> bytes:
    """A picture of one pixel (PNG, ISO/IEC 15948)."""
    head = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes([0, red % 256, 0, 0]))
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


def check_generation(exchange: Exchange) -> None:
    demand(exchange.document.get("prompt"), "Missing required parameter: 'prompt'.", param="prompt")
    demand(
        0 <= int(exchange.document.get("partial_images") or 0) <= 3, "Invalid 'partial_images'.", param="partial_images"
    )


def check_edit(exchange: Exchange) -> None:
    check_generation(exchange)
    demand(
        any(upload.field == "image" for upload in exchange.uploads),
        "Missing required parameter: 'image'.",
        param="image",
    )


def document(exchange: Exchange) -> bytes:
    asked = exchange.document
    images = [_image(exchange, number) for number in range(int(asked.get("n") or 1))]
    body: dict[str, Any] = {"created": CREATED, "data": images, **_shape(asked)}
    return orjson.dumps(body if exchange.wishes.no_usage else {**body, "usage": USAGE})


def _shape(asked: dict[str, Any]) -> dict[str, Any]:
    given = {name: asked[name] for name in SHAPE if asked.get(name) not in {None, "auto"}}
    return {**SHAPE, **given}


def _image(exchange: Exchange, number: int) -> dict[str, Any]:
    """With what the fake model saw in `revised_prompt`."""
    saw = " ".join(f"[{upload.field} {upload.media_type} {len(upload.content)} bytes]" for upload in exchange.uploads)
    revised = f"{exchange.document['prompt']} {saw}".strip()
    if exchange.document.get("response_format") == "url":
        return {"url": f"https://example.com/fake/{number}.png", "revised_prompt": revised}
    return {"b64_json": _encode(number), "revised_prompt": revised}


def _encode(number: int) -> str:
    return base64.b64encode(paint(number)).decode()


def events(exchange: Exchange, *, kind: str) -> Iterator[bytes]:
    head = {"created_at": CREATED, **_shape(exchange.document)}
    for number in range(int(exchange.document.get("partial_images") or 0)):
        partly = {"b64_json": _encode(number), "partial_image_index": number}
        yield named({"type": f"{kind}.partial_image", **head, **partly})
    yield named({"type": f"{kind}.completed", **head, "b64_json": _encode(255), "usage": USAGE})


def is_end(event: bytes) -> bool:
    return event.startswith((b"event: image_generation.completed", b"event: image_edit.completed"))


GENERATIONS, EDITS = (
    Dialect(
        name=f"openai {kind}",
        request_id=errors.REQUEST_ID,
        error=errors.error,
        error_event=errors.error_event,
        document=document,
        events=partial(events, kind=kind),
        is_end=is_end,
        check=check,
        plain={"prompt": "rain"},
    )
    for kind, check in (("image_generation", check_generation), ("image_edit", check_edit))
)
