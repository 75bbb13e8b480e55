"""What of a call sticks to one target: its user, or the conversation that it goes on with. Pure.

A conversation is known by how it begins, which each of its calls says again; then the provider that has read the beginning has it in its
prompt cache.
"""

import re
from collections.abc import Mapping
from typing import Literal

import msgspec

from chassis.hashing import hash_parts

# Where Anthropic's cache ends: it moves on with each turn.
_CACHE_MARK = re.compile(rb',?\s*"cache_control"\s*:\s*(?:null|\{[^{}]*\})')
_INSTRUCTING = frozenset({"system", "developer"})


class _Turn(msgspec.Struct):
    role: str = ""
    content: msgspec.Raw = msgspec.Raw(b"null")


class _Part(msgspec.Struct):
    text: str | None = None


class _Metadata(msgspec.Struct):
    user_id: str | None = None


_read_turns = msgspec.json.Decoder(list[_Turn] | str).decode
_read_parts = msgspec.json.Decoder(list[msgspec.Raw] | str | None).decode
_read_part = msgspec.json.Decoder(_Part).decode
_read_text = msgspec.json.Decoder(str | None).decode
_read_metadata = msgspec.json.Decoder(_Metadata | None).decode


def read_unit(tenant: str, members: Mapping[str, msgspec.Raw], by: Literal["user", "conversation"]) -> bytes:
    """32 bytes that are the same for all calls of one unit of a tenant, and for no other's. Empty when the call names no user, or has no
    conversation; also where it is none that a provider would take."""
    try:
        parts = _read_user(members) if by == "user" else _read_conversation(members)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return b""
    return hash_parts([tenant.encode(), by.encode(), *parts]) if parts else b""


def _read_user(members: Mapping[str, msgspec.Raw]) -> list[bytes]:
    for name in ("safety_identifier", "user"):
        if (raw := members.get(name)) is not None and (user := _read_text(raw)):
            return [user.encode()]
    metadata = _read_metadata(members["metadata"]) if "metadata" in members else None
    return [metadata.user_id.encode()] if metadata is not None and metadata.user_id else []


def _read_conversation(members: Mapping[str, msgspec.Raw]) -> list[bytes]:
    """What the client itself calls it, else the instructions and what the user said first."""
    if (raw := members.get("prompt_cache_key")) is not None and (key := _read_text(raw)):
        return [b"key", key.encode()]
    spoken = next((members[name] for name in ("messages", "input") if name in members), None)
    if spoken is None:
        return []
    instructions = [_spell(members[name]) for name in ("system", "instructions") if name in members]
    turns = _read_turns(spoken)
    if isinstance(turns, str):
        return [*instructions, turns.encode()]
    first = next((turn for turn in turns if turn.role == "user"), None)
    if first is None:
        return []
    instructions += [_spell(turn.content) for turn in turns[: turns.index(first)] if turn.role in _INSTRUCTING]
    return [*instructions, _spell(first.content)]


def _spell(content: msgspec.Raw) -> bytes:
    """One spelling for a text alone and for one in parts, wherever the cache's marks are."""
    parts = _read_parts(content)
    if parts is None or isinstance(parts, str):
        return (parts or "").encode()
    return b"\n".join([_spell_part(part) for part in parts])


def _spell_part(part: msgspec.Raw) -> bytes:
    text = _read_part(part).text
    return text.encode() if text is not None else _CACHE_MARK.sub(b"", bytes(part))
