"""A tenant's keys file as plain values: what making, changing and revoking a key does to it. Pure.

What a key says besides stays as it is, whoever wrote it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec

from launcher.errors import LaunchError

Values = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRequest:
    """What a new key is to be. Names and patterns as the configuration has them; empty: nothing said."""

    name: str
    expires_at: datetime | None = None
    models: Sequence[str] = ()
    endpoints: Sequence[str] = ()
    pipelines: Sequence[str] = ()
    addresses: Sequence[str] = ()
    rooms: Sequence[str] = ()
    room_actions: Sequence[str] = ()
    pipeline: str | None = None
    requests_per_minute: int | None = None
    metadata: dict[str, str] = field(default_factory=dict)


def describe_key(request: KeyRequest, digest: str, now: datetime) -> Values:
    """The key as the file has it; what is not said is left out."""
    scopes = {
        "models": list(request.models),
        "endpoints": list(request.endpoints),
        "pipelines": list(request.pipelines),
        "addresses": list(request.addresses),
        "rooms": list(request.rooms),
        "room_actions": list(request.room_actions),
    }
    said = {
        "created_at": now,
        "expires_at": request.expires_at,
        "pipeline": request.pipeline,
        "scopes": {name: values for name, values in scopes.items() if values},
        "limits": {"requests_per_minute": request.requests_per_minute} if request.requests_per_minute else None,
        "metadata": request.metadata,
    }
    return {"name": request.name, "hash": digest, **{name: value for name, value in said.items() if value}}


def add_key(file: Values, key: Values) -> Values:
    """`file` with one more key."""
    return {**file, "keys": [*_keys(file), key]}


def rotate_key(file: Values, name: str, digest: str, *, now: datetime, grace: timedelta) -> Values:
    """`file` with another secret for a key; the one before it is good for `grace` longer, and any before that no more.

    Raises LaunchError when there is no such key.
    """
    key = _find(file, name)
    changed: Values = {"name": name, "hash": digest}
    if grace:
        changed["previous"] = {"hash": key["hash"], "until": now + grace}
    rest = {member: value for member, value in key.items() if member not in ("name", "hash", "previous")}
    return {**file, "keys": [{**changed, **rest} if other is key else other for other in _keys(file)]}


def revoke_key(file: Values, name: str) -> Values:
    """`file` without a key. Raises LaunchError when there is no such key."""
    key = _find(file, name)
    return {**file, "keys": [other for other in _keys(file) if other is not key]}


def spell_file(file: Values) -> str:
    """The file's text: JSON, a key a line, so that a change shows as one line."""
    rest = {name: value for name, value in file.items() if name != "keys"}
    head = msgspec.json.encode({**rest, "keys": []}).decode()
    lines = ",\n".join(msgspec.json.encode(key).decode() for key in _keys(file))
    return f"{head[:-2]}\n{lines}\n]}}\n"


def _find(file: Values, name: str) -> Values:
    for key in _keys(file):
        if key.get("name") == name:
            return key
    raise LaunchError(f"there is no key {name!r} in the keys file of {file['tenant']}")


def _keys(file: Values) -> list[Values]:
    keys: list[Values] = file.get("keys", [])
    return keys
