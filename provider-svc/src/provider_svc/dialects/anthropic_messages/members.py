"""Which members of a Messages body are read, which are hints, and which are lost with all other makers."""

import re
from typing import TypeVar

import msgspec

from provider_svc.dialects.anthropic_messages.schema import Request
from provider_svc.dialects.dialect import Members
from provider_svc.dialects.losses import Losses, refusal
from provider_svc.documents import UNREADABLE

T = TypeVar("T")

# `model` and `stream` are the call's own.
READ = frozenset(Request.__struct_fields__) | {"model", "stream"}

HINTS: dict[str, str] = {
    "billing_policy": "what Anthropic bills",
    "cache_control": "where Anthropic's prompt cache begins by itself; others' need no marks",
    "diagnostics": "asks why Anthropic's prompt cache missed",
    "fallback_credit_token": "what Anthropic bills",
    "speed": "Anthropic's speed classes",
    "user_profile_id": "a label for Anthropic's books",
    "workspace_id": "a label for Anthropic's books",
}

LOST: dict[str, str] = {
    "betas": "features of Anthropic's API are not known to other makers; leave them out",
    "compaction": "only Anthropic shortens a conversation by itself; leave it out",
    "container": "only Anthropic runs code in containers; leave it out",
    "fallbacks": "only Anthropic asks another of its models; leave it out",
    "inference_geo": "no other maker promises where it works for one request; leave it out",
    "mcp_servers": "only Anthropic connects to MCP servers itself; connect to them yourself and pass their tools",
    "thread": "only Anthropic keeps threads; send the whole conversation",
}

# What says nothing, whatever the member.
_NOTHING = frozenset({b"null", b"[]", b"{}"})

_PATH = re.compile(r"`\$\.?([^`]*)`$")
_decode_request = msgspec.json.Decoder(Request).decode


def read_request(members: Members, losses: Losses) -> Request:
    """The members that are read, typed; null means absent. Raises INVALID_REQUEST with the path of what is malformed."""
    wanted: dict[str, msgspec.Raw] = {}
    for name, raw in members.items():
        if name in READ:
            if name in Request.__struct_fields__:
                wanted[name] = raw
        elif bytes(raw).strip() not in _NOTHING:
            _leave_out(name, losses)
    try:
        return _decode_request(msgspec.json.encode(wanted))
    except UNREADABLE as exc:
        path = _PATH.search(str(exc))
        raise refusal(path[1] if path else "", str(exc)) from exc


def _leave_out(name: str, losses: Losses) -> None:
    if name in HINTS:
        losses.drop(name)
    else:
        losses.lose(name, LOST.get(name, "not known here, so it cannot be translated; leave it out"))


def need(value: T | None, path: str, what: str) -> T:
    """The value. Raises INVALID_REQUEST where it is not there."""
    if value is None:
        raise refusal(path, f"{what} is missing")
    return value
