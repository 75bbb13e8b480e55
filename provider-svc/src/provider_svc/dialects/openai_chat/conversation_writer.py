"""Neutral turns as the messages of a chat completions body.

A tool message holds text only, and tool messages stand right behind the assistant's that called. So the images and documents that tools
gave are shown in the user's message behind them, each under the id of its call. Text documents are said as text.
"""

from collections.abc import Callable, Iterable, Mapping
from itertools import groupby
from typing import Any

from provider_svc.dialects.losses import Losses
from provider_svc.dialects.openai_chat.schema import Json
from provider_svc.dialects.prompt import (
    Audio,
    Document,
    Image,
    Part,
    Prompt,
    Role,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Turn,
)

# OpenAI takes no file without a name.
FILE_NAMES: Mapping[str, str] = {"application/pdf": "document.pdf"}


def write_messages(prompt: Prompt, losses: Losses) -> list[Json]:
    """All messages, the system prompt's first."""
    return _Writer(losses).write(prompt)


class _Writer:
    def __init__(self, losses: Losses) -> None:
        self._losses = losses
        self._messages: list[Json] = []
        self._shown: list[Json] = []  # what tools gave and the user's next message shows

    def write(self, prompt: Prompt) -> list[Json]:
        if prompt.system:
            self._messages.append({"role": "system", "content": _collapse(self._write_parts(prompt.system, "system"))})
        for turn in _join_assistants(prompt.turns):
            _ROLES[turn.role](self, turn)
        self._show()
        return self._messages

    def _write_user(self, turn: Turn) -> None:
        for part in turn.parts:
            if isinstance(part, ToolResult):
                self._write_result(part, turn)
        said = self._write_parts((part for part in turn.parts if not isinstance(part, ToolResult)), turn.path)
        if said or not turn.parts:
            said[:0] = self._take_shown()
            self._say(turn, _collapse(said))

    def _write_result(self, result: ToolResult, turn: Turn) -> None:
        if result.is_error:
            self._losses.drop(_at(turn.path, "is_error"))
        self._note_mark(result)
        given = self._write_parts(result.parts, turn.path)
        texts = [part for part in given if part["type"] == "text"]
        others = [part for part in given if part["type"] != "text"]
        if others:
            self._shown += [{"type": "text", "text": f"What the tool call {result.call_id} gave:"}, *others]
        content = _collapse(texts) or ("Given in the user's next message." if others else "")
        self._messages.append({"role": "tool", "tool_call_id": result.call_id, "content": content})

    def _write_assistant(self, turn: Turn) -> None:
        self._show()
        said = self._write_words((part for part in turn.parts if not isinstance(part, ToolCall)), turn.path)
        calls = [self._write_call(part) for part in turn.parts if isinstance(part, ToolCall)]
        if not said and not calls and turn.parts:
            return  # it only thought
        members: Json = {"tool_calls": calls} if calls else {}
        if len(said) == 1 and said[0]["type"] == "refusal":
            self._say(turn, None, refusal=said[0]["refusal"], **members)
        else:
            self._say(turn, _collapse(said) or (None if calls else ""), **members)

    def _write_system(self, turn: Turn) -> None:
        self._show()
        self._say(turn, _collapse(self._write_words(turn.parts, turn.path)))

    def _write_call(self, call: ToolCall) -> Json:
        self._note_mark(call)
        if call.is_custom:
            return {"id": call.id, "type": "custom", "custom": {"name": call.name, "input": call.arguments}}
        function = {"name": call.name, "arguments": call.arguments or "{}"}
        return {"id": call.id, "type": "function", "function": function}

    def _say(self, turn: Turn, content: object, **members: object) -> None:
        named = {"name": turn.name} if turn.name else {}
        self._messages.append({"role": turn.role, **named, "content": content, **members})

    def _show(self) -> None:
        if shown := self._take_shown():
            self._messages.append({"role": "user", "content": shown})

    def _take_shown(self) -> list[Json]:
        shown, self._shown = self._shown, []
        return shown

    def _write_parts(self, parts: Iterable[Part], path: str) -> list[Json]:
        written = []
        for part in parts:
            if (one := _PARTS[type(part)](self, part, path)) is not None:
                self._note_mark(part)
                written.append(one)
        return written

    def _write_words(self, parts: Iterable[Part], path: str) -> list[Json]:
        """What others than users say is text."""
        written = self._write_parts(parts, path)
        words = [part for part in written if part["type"] in {"text", "refusal"}]
        if len(words) < len(written):
            self._losses.lose(_at(path, "content"), "the target takes images, files and audio from users only")
        return words

    def _write_document(self, document: Document, path: str) -> Json | None:
        if document.text is not None:
            title = f"{document.title}\n\n" if document.title else ""
            return {"type": "text", "text": title + document.text}
        if document.url is not None:
            self._losses.lose(_at(path, "content"), "the target reads no documents by URL; send its data")
            return None
        file = {
            "filename": document.title or FILE_NAMES.get(document.media_type, "document"),
            "file_data": f"data:{document.media_type};base64,{document.data}",
        }
        return {"type": "file", "file": file}

    def _drop_thinking(self, _: Thinking, path: str) -> None:
        """Chat Completions do not take back what a model thought."""
        self._losses.drop(_at(path, "thinking"))

    def _lose_misplaced(self, _: Part, path: str) -> None:
        self._losses.lose(_at(path, "content"), "the target takes calls from the assistant and results from tools only")

    def _note_mark(self, part: Part) -> None:
        if getattr(part, "cache", None) is not None:
            self._losses.drop("cache_control")


def _join_assistants(turns: Iterable[Turn]) -> Iterable[Turn]:
    """Calls that stand behind each other were made at once, and are one message: what follows a message with calls has to be their
    results."""
    for (role, name), group in groupby(turns, key=lambda turn: (turn.role, turn.name)):
        neighbours = list(group)
        if role != "assistant" or len(neighbours) == 1:
            yield from neighbours
        else:
            parts = tuple(part for turn in neighbours for part in turn.parts)
            yield Turn(role=role, name=name, parts=parts, path=neighbours[0].path)


def _write_text(_: _Writer, text: Text, __: str) -> Json:
    return {"type": "refusal", "refusal": text.text} if text.is_refusal else {"type": "text", "text": text.text}


def _write_image(_: _Writer, image: Image, __: str) -> Json:
    url: Json = {"url": image.url if image.url is not None else f"data:{image.media_type};base64,{image.data}"}
    if image.detail is not None:
        url["detail"] = image.detail
    return {"type": "image_url", "image_url": url}


def _write_audio(_: _Writer, audio: Audio, __: str) -> Json:
    return {"type": "input_audio", "input_audio": {"data": audio.data, "format": audio.format}}


def _collapse(parts: list[Json]) -> str | list[Json]:
    """A lone text as a string, which is what most imitators expect."""
    if not parts:
        return ""
    return parts[0]["text"] if len(parts) == 1 and parts[0]["type"] == "text" else parts


def _at(path: str, member: str) -> str:
    return f"{path}.{member}" if path else member


_PARTS: Mapping[type, Callable[[_Writer, Any, str], Json | None]] = {
    Text: _write_text,
    Image: _write_image,
    Audio: _write_audio,
    Document: _Writer._write_document,  # noqa: SLF001  the writer's own
    Thinking: _Writer._drop_thinking,  # noqa: SLF001
    ToolCall: _Writer._lose_misplaced,  # noqa: SLF001
    ToolResult: _Writer._lose_misplaced,  # noqa: SLF001
}

_ROLES: Mapping[Role, Callable[[_Writer, Turn], None]] = {
    "user": _Writer._write_user,  # noqa: SLF001
    "assistant": _Writer._write_assistant,  # noqa: SLF001
    "system": _Writer._write_system,  # noqa: SLF001
}
