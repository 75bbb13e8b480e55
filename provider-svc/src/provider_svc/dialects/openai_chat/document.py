"""A whole answer as a chat completion."""

from collections.abc import Iterable
from typing import Any

import msgspec

from provider_svc.dialects.dialect import Asked
from provider_svc.dialects.openai_chat.schema import Json
from provider_svc.dialects.openai_chat.told import (
    annotation,
    completion_id,
    finish_reason,
    speaks_of_functions,
    thinking_block,
)
from provider_svc.dialects.openai_chat.usage import write_usage
from provider_svc.dialects.said import Said, SaidPart


def write_document(said: Said, asked: Asked) -> bytes:
    """See `dialect.WriteDocument`."""
    is_legacy = speaks_of_functions(asked)
    created = asked.created if said.created is None else said.created
    choice = {
        "index": 0,
        "message": _write_message(said, is_legacy=is_legacy),
        "logprobs": _write_logprobs(said.parts),
        "finish_reason": finish_reason(said.reason or "end", is_legacy=is_legacy),
    }
    completion: Json = {
        "id": completion_id(said.id, created),
        "object": "chat.completion",
        "created": created,
        "model": said.model,
        "choices": [choice],
    }
    if said.usage is not None:
        completion["usage"] = write_usage(said.usage)
    return msgspec.json.encode(completion)


def _write_message(said: Said, *, is_legacy: bool) -> Json:
    """What was not said is left out, but for `content` and `refusal`, which are null."""
    others = {
        "annotations": _write_annotations(said.parts),
        "reasoning_content": _join(said.parts, "thinking"),
        "thinking_blocks": [_write_block(part) for part in said.parts if part.seal],
        **_write_calls(said.parts, is_legacy=is_legacy),
    }
    return {
        "role": "assistant",
        "content": _join(said.parts, "text"),
        "refusal": _join(said.parts, "refusal", said.words or ""),
        **{name: value for name, value in others.items() if value},
    }


def _join(parts: Iterable[SaidPart], kind: str, words: str = "") -> str | None:
    return "".join(part.text for part in parts if part.kind == kind) + words or None


def _write_annotations(parts: Iterable[SaidPart]) -> list[Json]:
    annotations, told = [], 0
    for part in parts:
        if part.kind == "text":
            end = told + len(part.text)
            annotations += [annotation(cite, told, end) for cite in part.sources]
            told = end
    return annotations


def _write_block(part: SaidPart) -> Json:
    return thinking_block(part.text, part.seal, part.sealed_by, part.id, is_redacted=part.kind == "redacted")


def _write_calls(parts: Iterable[SaidPart], *, is_legacy: bool) -> Json:
    calls = [_write_call(part) for part in parts if part.kind in {"call", "custom_call"}]
    if is_legacy and calls and "function" in calls[0]:
        return {"function_call": calls[0]["function"], "tool_calls": calls[1:]}
    return {"tool_calls": calls}


def _write_call(part: SaidPart) -> Json:
    """A function that is given nothing is given `{}`."""
    if part.kind == "custom_call":
        return {"id": part.id, "type": "custom", "custom": {"name": part.name, "input": part.text}}
    return {"id": part.id, "type": "function", "function": {"name": part.name, "arguments": part.text or "{}"}}


def _write_logprobs(parts: Iterable[SaidPart]) -> Json | None:
    told: dict[str, list[Any]] = {"text": [], "refusal": []}
    for part in parts:
        if part.logprobs and part.kind in told:
            told[part.kind] += part.logprobs
    content, refusal = told.values()
    return {"content": content or None, "refusal": refusal or None} if content or refusal else None
