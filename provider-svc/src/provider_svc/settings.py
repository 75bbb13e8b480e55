"""What provider-svc needs of the configuration, and its own bounds."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSettings:
    """Bounds of calls: all sizes in bytes, all times in seconds. None of them is in the configuration file yet.

    A call uses at most `ring` of memory and what its slowest subscriber has not read: `window` and one chunk.
    """

    ring: int = 4 << 20
    window: int = 1 << 20
    message: int = 256 << 10
    max_running: int = 10_000
    longest_call: float = 600.0
    linger: float = 5.0
    max_lingering: int = 256
    max_lingering_bytes: int = 64 << 20
