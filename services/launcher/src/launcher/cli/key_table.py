"""Keys as JSON objects and as a table: what they may do and until when, no secret and no hash."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from rich.table import Table
from rich.text import Text

from launcher.key_desk import HeldKey

COLOURS = {"active": "green", "rotating": "cyan", "expired": "red"}


def describe_held(held: HeldKey, now: datetime) -> dict[str, object]:
    """Every member always there; times in RFC 3339; `file` is null for a key of the configuration itself."""
    key = held.key
    return {
        "tenant": held.tenant,
        "name": key.name,
        "state": _state(held, now),
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "previous_until": key.previous.until if key.previous else None,
        "models": key.scopes.models,
        "endpoints": key.scopes.endpoints,
        "pipelines": key.scopes.pipelines,
        "addresses": key.scopes.addresses,
        "rooms": key.scopes.rooms,
        "room_actions": key.scopes.room_actions,
        "requests_per_minute": key.limits.requests_per_minute,
        "metadata": key.metadata,
        "file": str(held.file) if held.file else None,
    }


def draw_keys(keys: Sequence[Mapping[str, object]]) -> Table:
    """What matters at a glance; `--json` has everything."""
    table = Table("tenant", "key", "state", "expires", "may use", "in", box=None, header_style="bold", pad_edge=False)
    for key in keys:
        state = str(key["state"])
        cells = (
            key["tenant"],
            key["name"],
            state,
            key["expires_at"] or "never",
            _scopes(key),
            key["file"] or "configuration",
        )
        table.add_row(*(Text(str(cell), style=COLOURS[state] if cell is state else "") for cell in cells))
    return table


def _state(held: HeldKey, now: datetime) -> str:
    """`rotating`: two secrets are good."""
    key = held.key
    if key.expires_at is not None and key.expires_at <= now:
        return "expired"
    return "rotating" if key.previous is not None and key.previous.until > now else "active"


def _scopes(key: Mapping[str, object]) -> str:
    said = [key[scope] for scope in ("models", "endpoints", "addresses", "rooms", "room_actions")]
    return (
        "; ".join(", ".join(map(str, values)) for values in said if isinstance(values, list) and values) or "everything"
    )
