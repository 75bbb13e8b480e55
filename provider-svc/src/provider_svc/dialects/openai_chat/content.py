"""A message's content: strings and parts, as neutral ones."""

import base64
import binascii
from collections.abc import Callable, Iterator, Mapping

from msgspec.structs import replace

from provider_svc.dialects.losses import Losses, refusal
from provider_svc.dialects.openai_chat.schema import CacheBreakpoint, CacheControl, Content, Part
from provider_svc.dialects.prompt import Audio, CacheMark, Document, Image, Text

Piece = Text | Image | Document | Audio

# What bare base64 is taken for, by its file's name.
FILE_TYPES: Mapping[str, str] = {"pdf": "application/pdf", "txt": "text/plain"}


def read_content(content: Content, path: str, losses: Losses) -> tuple[Piece, ...]:
    """The pieces of `content`, which stands at `path` in the body; none for an empty text.

    Raises INVALID_REQUEST for a part that is malformed, of an unknown type, or stands in OpenAI's own store.
    """
    if content is None or isinstance(content, str):
        return (Text(text=content),) if content else ()
    return tuple(piece for i, part in enumerate(content) for piece in _read_part(part, f"{path}[{i}]", losses))


def read_mark(control: CacheControl | None) -> CacheMark | None:
    """The mark that a `cache_control` makes."""
    return None if control is None else CacheMark(ttl=control.ttl)


def _read_part(part: Part, path: str, losses: Losses) -> Iterator[Piece]:
    read = _PARTS.get(part.type)
    if read is None:
        raise refusal(f"{path}.type", f"content parts of type {part.type} cannot be translated")
    piece = read(part, path)
    mark = read_mark(part.cache_control) or _read_breakpoint(part.prompt_cache_breakpoint, path, losses)
    if isinstance(piece, Text) and not piece.text:
        return
    if mark is None:
        yield piece
    elif isinstance(piece, Audio):
        losses.drop(f"{path}.cache_control")
        yield piece
    else:
        yield replace(piece, cache=mark)


def _read_breakpoint(mark: CacheBreakpoint | None, path: str, losses: Losses) -> CacheMark | None:
    """OpenAI's lifetimes are no other maker's."""
    if mark is None:
        return None
    if mark.ttl is not None:
        losses.drop(f"{path}.prompt_cache_breakpoint.ttl")
    return CacheMark()


def _text(part: Part, path: str) -> Text:
    if part.text is None:
        raise refusal(f"{path}.text", "a text part needs text")
    return Text(text=part.text)


def _refused(part: Part, path: str) -> Text:
    if part.refusal is None:
        raise refusal(f"{path}.refusal", "a refusal part needs its refusal")
    return Text(text=part.refusal, is_refusal=True)


def _image(part: Part, path: str) -> Image:
    if part.image_url is None:
        raise refusal(f"{path}.image_url", "an image part needs an image_url")
    url, detail = part.image_url.url, part.image_url.detail
    if url.startswith("https://"):
        return Image(url=url, detail=detail)
    media_type, data = _read_data_url(url, f"{path}.image_url.url")
    return Image(media_type=media_type, data=data, detail=detail)


def _audio(part: Part, path: str) -> Audio:
    if part.input_audio is None:
        raise refusal(f"{path}.input_audio", "an audio part needs an input_audio")
    return Audio(data=part.input_audio.data, format=part.input_audio.format)


def _document(part: Part, path: str) -> Document:
    file = part.file
    if file is None or file.file_data is None:
        raise refusal(f"{path}.file", "a file must come with its file_data: OpenAI's stored files cannot be translated")
    where = f"{path}.file.file_data"
    media_type, data = _read_file(file.file_data, file.filename or "", where)
    if media_type == "text/plain":
        return Document(media_type=media_type, text=_decode_text(data, where), title=file.filename)
    return Document(media_type=media_type, data=data, title=file.filename)


def _read_file(data: str, filename: str, path: str) -> tuple[str, str]:
    """The media type and the base64 of a file, which is a data: URL or bare base64 with a telling name."""
    if data[:5].lower() == "data:":
        return _read_data_url(data, path)
    declared = FILE_TYPES.get(filename.rpartition(".")[2].lower())
    if declared is None:
        raise refusal(path, "say what the file is: a data: URL, or a filename that ends with .pdf or .txt")
    return declared, data


def _read_data_url(url: str, path: str) -> tuple[str, str]:
    """The media type and the base64 of a data: URL (RFC 2397)."""
    header, comma, data = url.partition(",")
    scheme, _, described = header.partition(":")
    media_type, *parameters = described.lower().split(";")
    if not comma or scheme.lower() != "data" or "base64" not in parameters:
        raise refusal(path, "expected an https: URL or a data: URL in base64")
    return media_type, data


def _decode_text(data: str, path: str) -> str:
    try:
        return base64.b64decode(data, validate=True).decode()
    except (binascii.Error, ValueError) as wrong:
        raise refusal(path, "a text/plain file must be base64 of UTF-8") from wrong


_PARTS: Mapping[str, Callable[[Part, str], Piece]] = {
    "text": _text,
    "image_url": _image,
    "input_audio": _audio,
    "file": _document,
    "refusal": _refused,
}
