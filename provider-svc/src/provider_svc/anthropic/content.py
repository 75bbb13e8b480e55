"""A message's content as Anthropic's blocks: text, images, documents."""

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any

from provider_svc.anthropic.chat_schema import Content, Part
from provider_svc.anthropic.members import refusal

Json = dict[str, Any]

# https://docs.claude.com/en/docs/build-with-claude/vision; image/jpg is no registered type, but a common one.
IMAGE_TYPES: Mapping[str, str] = {
    "image/gif": "image/gif",
    "image/jpeg": "image/jpeg",
    "image/jpg": "image/jpeg",
    "image/png": "image/png",
    "image/webp": "image/webp",
}

# What bare base64 is taken for, by its file's name.
FILE_TYPES: Mapping[str, str] = {"pdf": "application/pdf", "txt": "text/plain"}


def content_blocks(content: Content, path: str) -> list[Json]:
    """The blocks of `content`, which stands at `path` in the request; none for an empty text, which Anthropic refuses.

    Raises INVALID_REQUEST for a part that Anthropic has no block for.
    """
    if content is None or isinstance(content, str):
        return text_blocks(content)
    return [block for i, part in enumerate(content) for block in _part_blocks(part, f"{path}[{i}]")]


def text_blocks(text: str | None) -> list[Json]:
    """One text block, or none for an empty text."""
    return [{"type": "text", "text": text}] if text else []


def _part_blocks(part: Part, path: str) -> list[Json]:
    translate = _PARTS.get(part.type)
    if translate is None:
        raise refusal(f"{path}.type", f"Anthropic's messages have no counterpart of content parts of type {part.type}")
    return translate(part, path)


def _text(part: Part, path: str) -> list[Json]:
    if part.text is None:
        raise refusal(f"{path}.text", "a text part needs text")
    return text_blocks(part.text)


def _refused(part: Part, path: str) -> list[Json]:
    """What the assistant said when it refused is what it said."""
    if part.refusal is None:
        raise refusal(f"{path}.refusal", "a refusal part needs its refusal")
    return text_blocks(part.refusal)


def _image(part: Part, path: str) -> list[Json]:
    if part.image_url is None:
        raise refusal(f"{path}.image_url", "an image part needs an image_url")
    return [{"type": "image", "source": _image_source(part.image_url.url, f"{path}.image_url.url")}]


def _image_source(url: str, path: str) -> Json:
    if url.startswith("https://"):
        return {"type": "url", "url": url}
    declared, data = _data_url(url, path)
    if declared not in IMAGE_TYPES:
        raise refusal(path, f"Anthropic reads gif, jpeg, png and webp images, not {declared}")
    return {"type": "base64", "media_type": IMAGE_TYPES[declared], "data": data}


def _data_url(url: str, path: str) -> tuple[str, str]:
    """The media type and the base64 of a data: URL (RFC 2397)."""
    header, comma, data = url.partition(",")
    scheme, _, described = header.partition(":")
    media_type, *parameters = described.lower().split(";")
    if not comma or scheme.lower() != "data" or "base64" not in parameters:
        raise refusal(path, "expected an https: URL or a data: URL in base64")
    return media_type, data


def _document(part: Part, path: str) -> list[Json]:
    file = part.file
    if file is None or file.file_data is None:
        raise refusal(
            f"{path}.file", "a file must come with its file_data; Anthropic cannot read OpenAI's stored files"
        )
    declared, data = _file_data(file.file_data, file.filename or "", f"{path}.file.file_data")
    block: Json = {"type": "document", "source": _document_source(declared, data, f"{path}.file.file_data")}
    return [block | {"title": file.filename} if file.filename else block]


def _file_data(data: str, filename: str, path: str) -> tuple[str, str]:
    """The media type and the base64 of a file, which is a data: URL or bare base64 with a telling name."""
    if data[:5].lower() == "data:":
        return _data_url(data, path)
    declared = FILE_TYPES.get(filename.rpartition(".")[2].lower())
    if declared is None:
        raise refusal(path, "say what the file is: a data: URL, or a filename that ends with .pdf or .txt")
    return declared, data


def _document_source(declared: str, data: str, path: str) -> Json:
    if declared == "application/pdf":
        return {"type": "base64", "media_type": declared, "data": data}
    if declared == "text/plain":
        return {"type": "text", "media_type": declared, "data": _decoded_text(data, path)}
    raise refusal(path, f"Anthropic reads documents that are application/pdf or text/plain, not {declared}")


def _decoded_text(data: str, path: str) -> str:
    try:
        return base64.b64decode(data, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as wrong:
        raise refusal(path, "a text/plain file must be base64 of UTF-8") from wrong


_PARTS: Mapping[str, Callable[[Part, str], list[Json]]] = {
    "text": _text,
    "image_url": _image,
    "file": _document,
    "refusal": _refused,
}
