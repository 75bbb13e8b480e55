"""What messages and outputs of tools consist of: read into parts, and written out of them."""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from provider_svc.dialects.losses import Losses, refusal
from provider_svc.dialects.openai_responses.schema import (
    AudioPart,
    Breakpoint,
    FilePart,
    ImagePart,
    RefusalPart,
    TextPart,
    read,
)
from provider_svc.dialects.prompt import Audio, CacheMark, Document, Image, Json, Text

Content = Text | Image | Document | Audio

PDF, PLAIN = "application/pdf", "text/plain"
# OpenAI wants a name for what has none.
NAMES: Mapping[str, str] = {PDF: "document.pdf", PLAIN: "document.txt"}

_DATA_URL = re.compile(r"data:([^;,]*)[^,]*;base64,", re.IGNORECASE)


def read_content(content: str | list[Json], path: str, losses: Losses) -> tuple[Content, ...]:
    """The parts of a message's content, or of a tool's output. Raises INVALID_REQUEST for a part that nobody else could be told."""
    if isinstance(content, str):
        return (Text(text=content),)
    return tuple(_read_part(part, f"{path}[{i}]", losses) for i, part in enumerate(content))


def _read_part(part: Json, path: str, losses: Losses) -> Content:
    kind = part.get("type")
    known = _READERS.get(kind) if isinstance(kind, str) else None
    if known is None:
        raise refusal(f"{path}.type", f"{path}: parts of type {str(kind)[:100]!r} cannot be carried to this model")
    schema, make = known
    return make(read(part, schema, path, losses), path, losses)


def _read_text(part: TextPart, path: str, losses: Losses) -> Text:
    if part.annotations:
        losses.drop(f"{path}.annotations")
    return Text(text=part.text, cache=_mark(part.prompt_cache_breakpoint))


def _read_refusal(part: RefusalPart, _path: str, _losses: Losses) -> Text:
    return Text(text=part.refusal, is_refusal=True)


def _read_image(part: ImagePart, path: str, losses: Losses) -> Image:
    if part.image_url is None:
        raise _kept_elsewhere(path, "image_url")
    detail = part.detail
    if detail == "original":
        losses.drop(f"{path}.detail")
        detail = "high"
    cache = _mark(part.prompt_cache_breakpoint)
    if found := _DATA_URL.match(part.image_url):
        return Image(media_type=found[1].lower(), data=part.image_url[found.end() :], detail=detail, cache=cache)
    return Image(url=_web(part.image_url, f"{path}.image_url"), detail=detail, cache=cache)


def _read_file(part: FilePart, path: str, losses: Losses) -> Document:
    cache, title = _mark(part.prompt_cache_breakpoint), part.filename
    if part.detail not in {None, "auto"}:
        losses.drop(f"{path}.detail")
    if part.file_url is not None:
        return Document(url=_web(part.file_url, f"{path}.file_url"), title=title, cache=cache)
    if part.file_data is None:
        raise _kept_elsewhere(path, "file_data or file_url")
    found = _DATA_URL.match(part.file_data)
    media_type, data = (found[1].lower(), part.file_data[found.end() :]) if found else (PDF, part.file_data)
    if media_type == PLAIN and (text := _plain(data)) is not None:
        return Document(text=text, media_type=PLAIN, title=title, cache=cache)
    return Document(media_type=media_type, data=data, title=title, cache=cache)


def _read_audio(part: AudioPart, _path: str, _losses: Losses) -> Audio:
    return Audio(data=part.input_audio.data, format=part.input_audio.format)


def _plain(data: str) -> str | None:
    """Other makers want plain text as text; None where the bytes are none."""
    try:
        return base64.b64decode(data, validate=True).decode()
    except (binascii.Error, ValueError):
        return None


def _web(url: str, path: str) -> str:
    if not url.lower().startswith(("https://", "http://")):
        raise refusal(path, f"{path} must be a web address, or a data: URL in base64")
    return url


def _kept_elsewhere(path: str, what: str) -> Exception:
    return refusal(path, f"{path}: a file that OpenAI keeps cannot be carried to this model; send {what}")


def _mark(breakpoint: Breakpoint | None) -> CacheMark | None:  # noqa: A002  OpenAI's word
    """OpenAI promises at least 30 minutes or 12 hours where asked; the longest that others know is an hour."""
    if breakpoint is None:
        return None
    return CacheMark(ttl="1h" if breakpoint.ttl else None)


_READERS: Mapping[str, tuple[type[Struct], Callable[[Any, str, Losses], Content]]] = {
    "input_text": (TextPart, _read_text),
    "output_text": (TextPart, _read_text),
    "text": (TextPart, _read_text),
    "refusal": (RefusalPart, _read_refusal),
    "input_image": (ImagePart, _read_image),
    "input_file": (FilePart, _read_file),
    "input_audio": (AudioPart, _read_audio),
}


def write_part(part: Content, path: str, losses: Losses) -> Json | None:
    """A part of what goes to the model; None where OpenAI has no word for it."""
    if not isinstance(part, Audio) and part.cache is not None:
        losses.drop(f"{path}.cache_control")
    match part:
        case Text(text=text):
            return {"type": "input_text", "text": text}
        case Image():
            return _write_image(part)
        case Document():
            return _write_file(part, path, losses)
        case Audio():
            losses.lose(f"{path}.input_audio", "OpenAI's Responses take no sound; leave it out")
    return None


def write_said(part: Content, path: str, losses: Losses) -> Json | None:
    """A part of what the assistant said; None where OpenAI's assistants cannot have said it."""
    if not isinstance(part, Text):
        losses.lose(path, "OpenAI's assistants say words only; leave out what is none")
        return None
    if part.cache is not None:
        losses.drop(f"{path}.cache_control")
    if part.is_refusal:
        return {"type": "refusal", "refusal": part.text}
    return {"type": "output_text", "text": part.text}


def _write_image(image: Image) -> Json:
    url = image.url if image.url is not None else f"data:{image.media_type};base64,{image.data}"
    return {"type": "input_image", "image_url": url, "detail": image.detail or "auto"}


def _write_file(document: Document, path: str, losses: Losses) -> Json:
    if document.url is not None:
        if document.title is not None:  # a name goes with data only
            losses.drop(f"{path}.title")
        return {"type": "input_file", "file_url": document.url}
    media_type, data = document.media_type, document.data
    if document.text is not None:
        media_type, data = PLAIN, base64.b64encode(document.text.encode()).decode()
    name = document.title or NAMES.get(media_type, "document")
    return {"type": "input_file", "filename": name, "file_data": f"data:{media_type};base64,{data}"}
