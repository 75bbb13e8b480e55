"""What a client bears and how long it waits; all times in seconds, all sizes in bytes."""

from dataclasses import dataclass, field

from runestone_client.backoff import Backoff


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`open_timeout` is for one attempt to connect and for the first connection as a whole; a client that was without one for `max_downtime` gives
    up. One whose gateway is about to stop moves on within `drain_spread`. A reply has to come in `reply_timeout`, the beginning of a stream in `stream_timeout`, a whole answer in `message_timeout`; time without a
    connection counts. A stream that says nothing for `idle_timeout` is given up. What waits to be sent is bounded by `max_queue` and
    `max_queue_bytes`, what waits for who reads a stream by `max_unread_bytes`, events of a room by `max_events`."""

    open_timeout: float = 10.0
    close_timeout: float = 2.0
    reply_timeout: float = 10.0
    stream_timeout: float = 60.0
    message_timeout: float = 120.0
    idle_timeout: float = 300.0
    heartbeat_interval: float = 25.0
    heartbeat_timeout: float = 10.0
    max_downtime: float = 300.0
    drain_spread: float = 1.0
    max_queue: int = 256
    max_queue_bytes: int = 4 << 20
    max_unread_bytes: int = 8 << 20
    max_events: int = 4096
    max_message_bytes: int = 64 << 20
    backoff: Backoff = field(default_factory=Backoff)
    rejoin_backoff: Backoff = field(default_factory=lambda: Backoff(shortest=0.2, longest=10.0))
