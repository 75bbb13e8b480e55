"""The blocks of Anthropic's turns as parts of a prompt."""

from collections.abc import Callable, Mapping, Sequence

from msgspec import Raw

from provider_svc.dialects.anthropic_messages.members import need
from provider_svc.dialects.anthropic_messages.schema import Block, Source
from provider_svc.dialects.losses import Losses, refusal
from provider_svc.dialects.prompt import Document, Image, Part, Text, Thinking, ToolCall, ToolResult
from provider_svc.dialects.seals import unwrap

Content = str | Sequence[Block]
Read = Callable[[Block, str, Losses], Part | None]


def read_content(content: Content, place: str, path: str, losses: Losses) -> list[Part]:
    """The parts of what stands at `path`; a string is one text. `place` is a role, or "result" for a tool's.

    Raises INVALID_REQUEST for a block that is malformed, or may not stand there. Blocks that are Anthropic's own are lost.
    """
    if isinstance(content, str):
        return [Text(text=content)]
    readers = _PLACES[place]
    parts: list[Part] = []
    for i, block in enumerate(content):
        read = readers.get(block.type)
        if read is None:
            _pass_over(block.type, place, f"{path}[{i}]", losses)
        elif (part := read(block, f"{path}[{i}]", losses)) is not None:
            parts.append(part)
    return parts


def _pass_over(kind: str, place: str, path: str, losses: Losses) -> None:
    if kind in _KNOWN:
        raise refusal(f"{path}.type", f"a block of type {kind} cannot stand in a {place} message")
    losses.lose(path, f"only Anthropic has blocks of type {kind[:40]}; leave it out")


def _text(block: Block, path: str, losses: Losses) -> Text:
    text = need(block.text, f"{path}.text", "the text of a text block")
    if block.citations:
        losses.drop(f"{path}.citations")
    return Text(text=text, cache=block.cache_control)


def _image(block: Block, path: str, losses: Losses) -> Image:
    source = _source(block, path)
    if block.transformations:
        losses.drop(f"{path}.transformations")
    if source.type == "url":
        return Image(url=need(source.url, f"{path}.source.url", "the url"), cache=block.cache_control)
    if source.type != "base64":
        raise _unreadable(source, path)
    media_type, data = _base64(source, path)
    return Image(media_type=media_type, data=data, cache=block.cache_control)


def _document(block: Block, path: str, losses: Losses) -> Document:
    source = _source(block, path)
    if isinstance(block.citations, dict) and block.citations.get("enabled"):
        losses.lose(f"{path}.citations", "only Anthropic cites documents; leave it out")
    if block.context:
        losses.lose(f"{path}.context", "only Anthropic's documents have a context; say it in a text")
    title, cache = block.title or None, block.cache_control
    match source.type:
        case "url":
            return Document(url=need(source.url, f"{path}.source.url", "the url"), title=title, cache=cache)
        case "base64":
            media_type, data = _base64(source, path)
            return Document(media_type=media_type, data=data, title=title, cache=cache)
        case "text":
            text = need(source.data, f"{path}.source.data", "the text")
        case "content":
            text = _gathered(source, f"{path}.source.content", losses)
        case _:
            raise _unreadable(source, path)
    return Document(text=text, title=title, cache=cache)


def _gathered(source: Source, path: str, losses: Losses) -> str:
    """The words of a document that is blocks itself."""
    if source.content is None:
        raise refusal(path, "the content is missing")
    parts = read_content(source.content, "document", path, losses)
    pictures = [part for part in parts if isinstance(part, Image)]
    if pictures:
        losses.lose(path, "only Anthropic's documents hold images; put them beside the document")
    return "\n\n".join(part.text for part in parts if isinstance(part, Text))


def _search_result(block: Block, path: str, losses: Losses) -> Text:
    """What was found, as a text: others have no place for whence it comes."""
    losses.lose(path, "only Anthropic has search results; pass what was found as text")
    found = block.content if isinstance(block.content, list) else ()
    source = block.source if isinstance(block.source, str) else ""
    words = (block.title or "", source, *(inner.text or "" for inner in found))
    return Text(text="\n".join(word for word in words if word), cache=block.cache_control)


def _source(block: Block, path: str) -> Source:
    if not isinstance(block.source, Source):
        raise refusal(f"{path}.source", "the source of the block is missing")
    return block.source


def _base64(source: Source, path: str) -> tuple[str, str]:
    media_type = need(source.media_type, f"{path}.source.media_type", "the media_type")
    return media_type, need(source.data, f"{path}.source.data", "the data")


def _unreadable(source: Source, path: str) -> Exception:
    if source.type == "file":
        return refusal(f"{path}.source", "only Anthropic can read files that it keeps; send the content itself")
    return refusal(f"{path}.source.type", "a source of this type is not known here, so it cannot be translated")


def _thinking(block: Block, _path: str, _losses: Losses) -> Thinking:
    seal, maker = unwrap(block.signature or "", "anthropic")
    return Thinking(text=block.thinking or "", seal=seal, sealed_by=maker if seal else None)


def _redacted(block: Block, path: str, _losses: Losses) -> Thinking:
    seal, maker = unwrap(need(block.data, f"{path}.data", "the data"), "anthropic")
    return Thinking(seal=seal, sealed_by=maker if seal else None, is_redacted=True)


def _call(block: Block, path: str, losses: Losses) -> ToolCall:
    if block.toolset_name:
        losses.drop(f"{path}.toolset_name")
    return ToolCall(
        id=need(block.id, f"{path}.id", "the id of a call"),
        name=need(block.name, f"{path}.name", "the name of the tool"),
        arguments=_arguments(block.input, f"{path}.input"),
        cache=block.cache_control,
    )


def _arguments(raw: Raw, path: str) -> str:
    """The input as the client wrote it. A raw slice is well-formed, but its text was not looked at."""
    try:
        text = bytes(raw).decode().strip()
    except UnicodeDecodeError as exc:
        raise refusal(path, "the input is not UTF-8") from exc
    if not text.startswith("{"):
        raise refusal(path, "the input of a call must be an object")
    return text


def _result(block: Block, path: str, losses: Losses) -> ToolResult:
    if isinstance(block.content, dict):
        raise refusal(f"{path}.content", "the content of a result is text or a list of blocks")
    parts = read_content(block.content or (), "result", f"{path}.content", losses)
    return ToolResult(
        call_id=need(block.tool_use_id, f"{path}.tool_use_id", "the id of the call that is answered"),
        parts=tuple(part for part in parts if isinstance(part, Text | Image | Document)),
        is_error=bool(block.is_error),
        cache=block.cache_control,
    )


_SHOWN: Mapping[str, Read] = {
    "text": _text,
    "image": _image,
    "document": _document,
    "search_result": _search_result,
}
_PLACES: Mapping[str, Mapping[str, Read]] = {
    "system": {"text": _text},
    "user": {**_SHOWN, "tool_result": _result},
    "assistant": {"text": _text, "thinking": _thinking, "redacted_thinking": _redacted, "tool_use": _call},
    "result": _SHOWN,
    "document": {"text": _text, "image": _image},
}
_KNOWN = frozenset(kind for readers in _PLACES.values() for kind in readers)
