"""A whole answer as Anthropic's message document."""

import msgspec

from provider_svc.dialects.anthropic_messages.answer_writer import citation, message_id
from provider_svc.dialects.anthropic_messages.event_schema import invalid
from provider_svc.dialects.anthropic_messages.stop_reasons import write_ending, write_reason
from provider_svc.dialects.anthropic_messages.usage import write_usage
from provider_svc.dialects.dialect import Asked
from provider_svc.dialects.prompt import Json
from provider_svc.dialects.said import Said, SaidPart
from provider_svc.dialects.seals import wrap
from provider_svc.documents import UNREADABLE

_CALLS = frozenset({"call", "custom_call"})

_decode_object = msgspec.json.Decoder(Json).decode


def write_document(said: Said, asked: Asked) -> bytes:
    """See `WriteDocument`. Raises PROVIDER_INVALID_ANSWER for a call whose arguments are no object, which Anthropic's clients could
    not read; one that the bound of tokens cut off is left out."""
    blocks = [block for part in said.parts if (block := _block(part, is_cut=said.reason == "length")) is not None]
    kinds = {part.kind for part in said.parts}
    reason = write_reason(said.reason or "end", has_calls=bool(kinds & _CALLS), has_refused="refusal" in kinds)
    message: Json = {
        "id": message_id(said.id, asked),
        "type": "message",
        "role": "assistant",
        "model": said.model,
        "content": blocks,
        **write_ending(reason, said.sequence, said.words),
        "usage": write_usage(said.usage),
    }
    return _encode(message)


def _encode(message: Json) -> bytes:
    """Arguments that could just be read are deeper inside of a message."""
    try:
        return msgspec.json.encode(message)
    except RecursionError as exc:
        raise invalid("nested a call's arguments too deeply") from exc


def _block(part: SaidPart, *, is_cut: bool) -> Json | None:
    match part.kind:
        case "text" | "refusal":
            return _text(part)
        case "thinking":
            return _thinking(part)
        case "redacted":
            seal = wrap(part.seal, part.sealed_by, "anthropic")
            return {"type": "redacted_thinking", "data": seal} if seal else None
        case "call" | "custom_call":
            return _call(part, is_cut=is_cut)


def _text(part: SaidPart) -> Json | None:
    text = part.text
    if not text and not part.sources:
        return None
    sources = [citation(source) for source in part.sources]
    return {"type": "text", "text": text} | ({"citations": sources} if sources else {})


def _thinking(part: SaidPart) -> Json | None:
    text, seal = part.text, wrap(part.seal, part.sealed_by, "anthropic")
    return {"type": "thinking", "thinking": text, "signature": seal} if text or seal else None


def _call(part: SaidPart, *, is_cut: bool) -> Json | None:
    text = part.text
    try:
        given = _decode_object(text) if text.strip() else {}
    except UNREADABLE as exc:
        if is_cut:
            return None
        raise invalid(f"called {part.name[:80]} with arguments that are no JSON object") from exc
    return {"type": "tool_use", "id": part.id, "name": part.name, "input": given}
