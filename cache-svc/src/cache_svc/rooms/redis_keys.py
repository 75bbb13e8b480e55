"""Names of what is kept of rooms in Redis. All that belongs to one shard is in one slot. Pure."""

from collections.abc import Sequence

from chassis.hashing import hash_parts

SHARDS = 8  # to change it is to forget every room
PARTS = ("facts", "members", "edges", "history", "others")


def shard_of(room: bytes) -> int:
    """Which shard a room belongs to."""
    return room[-1] % SHARDS


def log_of(shard: int) -> str:
    """The stream of all changes."""
    return f"{_prefix(shard)}log"


def leases_of(shard: int) -> str:
    """The sorted set of edges that watch."""
    return f"{_prefix(shard)}leases"


def keys_of(room: bytes, request_id: str = "") -> Sequence[str]:
    """All that a step in a room may touch (see room.lua)."""
    shard = shard_of(room)
    parts = [f"{_prefix(shard)}{room.hex()}:{part}" for part in PARTS]
    request = f"{_prefix(shard)}said:{hash_parts((room, request_id.encode())).hex()}" if request_id else parts[0]
    return [log_of(shard), leases_of(shard), *parts, request]


def name_lease(room: bytes, edge: str) -> str:
    """A member of the leases."""
    return f"{room.hex()}:{edge}"


def read_lease(name: bytes) -> tuple[bytes, str]:
    """The room and the edge that a lease is named after."""
    room, _, edge = name.decode().partition(":")
    return bytes.fromhex(room), edge


def _prefix(shard: int) -> str:
    return f"rs:rm:{{{shard}}}:"
