"""What chunks and documents say alike: thinking with its seal, sources, and what the client asked for."""

import msgspec

from provider_svc.dialects.dialect import Asked, Members
from provider_svc.dialects.openai_chat.members import decode
from provider_svc.dialects.openai_chat.schema import Json, StreamOptions
from provider_svc.dialects.prompt import Maker
from provider_svc.dialects.seals import wrap
from provider_svc.dialects.steps import FINISH_REASONS, Cite, Reason

_NULLS = (msgspec.Raw(b"null"), msgspec.Raw(b"[]"))


def wants_usage(members: Members) -> bool:
    """Whether a streaming client asked for the usage chunk. Raises INVALID_REQUEST for malformed `stream_options`."""
    if "stream_options" not in members:
        return False
    options = decode(members["stream_options"], StreamOptions | None, "stream_options")  # type: ignore[arg-type]  # a union is a type to msgspec
    return options is not None and bool(options.include_usage)


def speaks_of_functions(asked: Asked) -> bool:
    """Whether the client is of the time before tools: it reads `function_call`, and no `tool_calls`."""
    said = [name for name in ("functions", "tools") if asked.members.get(name, _NULLS[0]) not in _NULLS]
    return said == ["functions"]


def completion_id(provider_id: str, created: int) -> str:
    """The provider's id of the answer; some imitators give none."""
    return provider_id or f"chatcmpl-{created}"


def finish_reason(reason: Reason, *, is_legacy: bool) -> str:
    """OpenAI's word."""
    return "function_call" if is_legacy and reason == "tools" else FINISH_REASONS[reason]


def thinking_block(text: str, seal: str, sealed_by: Maker | None, item: str, *, is_redacted: bool) -> Json:
    """Sealed thinking as LiteLLM has it of Anthropic, so that clients hand it back; others' seals say whose they are. OpenAI's has the
    id of its `item` besides."""
    proof = wrap(seal, sealed_by, "anthropic")
    named = {"id": item} if item else {}
    if is_redacted:
        return {"type": "redacted_thinking", "data": proof, **named}
    return {"type": "thinking", "thinking": text, "signature": proof, **named}


def annotation(cite: Cite, start: int, end: int) -> Json:
    """A source of the answer's text between two of its characters."""
    citation = {"start_index": start, "end_index": end, "title": cite.title, "url": cite.url}
    return {"type": "url_citation", "url_citation": citation}
