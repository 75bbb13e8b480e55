"""Parts of a prompt as Anthropic's blocks."""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from provider_svc.dialects.anthropic_messages.cache_marks import CacheMarks
from provider_svc.dialects.losses import Losses, refusal
from provider_svc.dialects.prompt import Audio, Document, Image, Json, Part, Text, Thinking, ToolCall, ToolResult
from provider_svc.documents import UNREADABLE

# https://docs.claude.com/en/docs/build-with-claude/vision; image/jpg is no registered type, but a common one.
IMAGE_TYPES: Mapping[str, str] = {
    "image/gif": "image/gif",
    "image/jpeg": "image/jpeg",
    "image/jpg": "image/jpeg",
    "image/png": "image/png",
    "image/webp": "image/webp",
}

# Anthropic checks the ids of calls, which it only compares: other makers' may hold anything.
_FOREIGN = re.compile(r"[^a-zA-Z0-9_-]")

_decode_object = msgspec.json.Decoder(Json).decode


class BlockWriter:
    """Writes the blocks of one request."""

    def __init__(self, losses: Losses, marks: CacheMarks) -> None:
        self._losses = losses
        self._marks = marks

    def write(self, part: Part, path: str) -> Json | None:
        """The block of what stands at `path`; None for what there is no block for, which is told of, and for an empty text, which
        Anthropic refuses. Raises INVALID_REQUEST for a call whose arguments are no object."""
        return _WRITERS[type(part)](self, part, path)

    def _text(self, text: Text, path: str) -> Json | None:
        return self._marked({"type": "text", "text": text.text}, text, path) if text.text else None

    def _audio(self, _audio: Audio, path: str) -> None:
        self._losses.lose(path, "Anthropic does not hear; send what is said as text")

    def _marked(self, block: Json, part: Text | Image | Document | ToolCall | ToolResult, path: str) -> Json:
        return self._marks.put(block, part.cache, path)

    def _image(self, image: Image, path: str) -> Json | None:
        if image.detail not in {None, "auto"}:
            self._losses.drop(f"{path}.detail")
        source = self._image_source(image, path)
        return None if source is None else self._marked({"type": "image", "source": source}, image, path)

    def _image_source(self, image: Image, path: str) -> Json | None:
        if image.url is not None:
            return self._url(image.url, path)
        if image.media_type in IMAGE_TYPES:
            return {"type": "base64", "media_type": IMAGE_TYPES[image.media_type], "data": image.data}
        self._losses.lose(path, f"Anthropic reads gif, jpeg, png and webp images, not {image.media_type[:40]}")
        return None

    def _url(self, url: str, path: str) -> Json | None:
        if url.startswith("https://"):
            return {"type": "url", "url": url}
        self._losses.lose(path, "Anthropic fetches https: URLs only")
        return None

    def _document(self, document: Document, path: str) -> Json | None:
        source = self._document_source(document, path)
        if source is None:
            return None
        block: Json = {"type": "document", "source": source}
        return self._marked(block | {"title": document.title} if document.title else block, document, path)

    def _document_source(self, document: Document, path: str) -> Json | None:
        if document.url is not None:
            return self._url(document.url, path)
        if document.text is not None:
            return {"type": "text", "media_type": "text/plain", "data": document.text}
        if document.media_type == "application/pdf":
            return {"type": "base64", "media_type": document.media_type, "data": document.data}
        if document.media_type == "text/plain":
            return {"type": "text", "media_type": document.media_type, "data": _decoded(document.data, path)}
        why = f"Anthropic reads documents that are application/pdf or text/plain, not {document.media_type[:80]}"
        self._losses.lose(path, why)
        return None

    def _thinking(self, thinking: Thinking, path: str) -> Json | None:
        """Anthropic takes back what it has sealed, and nothing else."""
        if not thinking.seal or thinking.sealed_by != "anthropic":
            self._losses.drop(f"{path}.thinking")
            return None
        if thinking.is_redacted:
            return {"type": "redacted_thinking", "data": thinking.seal}
        return {"type": "thinking", "thinking": thinking.text, "signature": thinking.seal}

    def _call(self, call: ToolCall, path: str) -> Json:
        """What a custom tool was given is no object: it becomes one, so that its result still has a call."""
        if call.is_custom:
            self._losses.lose(path, "Anthropic has no custom tools; use functions")
            given: Json = {"input": call.arguments}
        else:
            given = _arguments(call.arguments, path)
        return self._marked(
            {"type": "tool_use", "id": _call_id(call.id), "name": call.name, "input": given}, call, path
        )

    def _result(self, result: ToolResult, path: str) -> Json:
        block: Json = {"type": "tool_result", "tool_use_id": _call_id(result.call_id)}
        written = [self.write(part, path) for part in result.parts]
        if content := [inner for inner in written if inner is not None]:
            block["content"] = content
        if result.is_error:
            block["is_error"] = True
        return self._marked(block, result, path)


def _call_id(foreign: str) -> str:
    return _FOREIGN.sub("_", foreign)


def _arguments(text: str, path: str) -> Json:
    """The object that `text` says; nothing said is a call without arguments."""
    try:
        return _decode_object(text) if text.strip() else {}
    except UNREADABLE as exc:
        raise refusal(path, f"a tool call's arguments must be a JSON object: {exc}") from exc


def _decoded(data: str, path: str) -> str:
    try:
        return base64.b64decode(data, validate=True).decode()
    except (binascii.Error, ValueError) as exc:
        raise refusal(path, "a text/plain file must be base64 of UTF-8") from exc


_WRITERS: Mapping[type[Part], Callable[[BlockWriter, Any, str], Json | None]] = {
    Audio: BlockWriter._audio,  # noqa: SLF001  the writer's own
    Document: BlockWriter._document,  # noqa: SLF001
    Image: BlockWriter._image,  # noqa: SLF001
    Text: BlockWriter._text,  # noqa: SLF001
    Thinking: BlockWriter._thinking,  # noqa: SLF001
    ToolCall: BlockWriter._call,  # noqa: SLF001
    ToolResult: BlockWriter._result,  # noqa: SLF001
}
