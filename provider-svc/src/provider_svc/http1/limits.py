"""The bounds of a pool of connections."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of a pool. `idle`, `age` and `connect` in seconds: how long a connection may wait for its next use, how old it may be at
    it, and how long one that is opened ahead may take. So many as are `warm` are opened ahead, and kept up to their age."""

    connections: int = 4_096
    waiting: int = 8_192
    idle: float = 30.0
    age: float = 600.0
    warm: int = 0
    connect: float = 5.0
