"""What provider-svc needs of the configuration, and its own bounds."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSettings:
    """Bounds of calls: all sizes in bytes, all times in seconds. None of them is in the configuration file yet.

    A flight uses at most `ring` of memory and what the subscriber that sets its pace has not read: `window` and one chunk.
    `linger` is for how long any call can be attached to that is over; a resumable one stays for its own window, among at most
    `max_kept` and `max_kept_bytes`. `copy` is how much of a resumable one is copied at once.
    One that is whole may be joined for `grace`. `max_calls` bounds the calls that one flight answers, `max_coalesced` those
    that share another's, in all flights that are remembered.
    """

    ring: int = 4 << 20
    window: int = 1 << 20
    message: int = 256 << 10
    max_running: int = 10_000
    longest_call: float = 600.0
    linger: float = 5.0
    max_lingering: int = 256
    max_lingering_bytes: int = 64 << 20
    max_kept: int = 4096
    max_kept_bytes: int = 128 << 20
    longest_resume_window: float = 3600.0
    copy: int = 64 << 10
    grace: float = 2.0
    max_calls: int = 10_000
    max_coalesced: int = 100_000
