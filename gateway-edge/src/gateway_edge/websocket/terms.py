"""What one WebSocket may do, and how long it is waited for: read from the snapshot that it was opened under."""

from msgspec import Struct

from chassis.config.schema import Edge

CLOSE_PATIENCE = 5.0  # seconds in which a peer answers a close frame
SILENT_BEATS = 2  # heartbeats that may be missed
UNPACED = 1_000_000  # messages a second, where only what waits is bounded


class Terms(Struct, frozen=True, kw_only=True):
    """Sizes in bytes, times in seconds. `silence` is how long a peer may send nothing; one that is to be `probed` is
    sent a ping when half of it is over. `message_time` is how long one message may take to
    come; `rate` is in messages a second, with as many at once."""

    max_message: int
    is_probed: bool = False
    silence: float
    message_time: float
    rate: int
    max_buffer: int
    slow_consumer_timeout: float
    close_patience: float = CLOSE_PATIENCE

    @classmethod
    def of(cls, edge: Edge, *, is_probed: bool = False, is_paced: bool = True) -> "Terms":
        """The terms of a snapshot's settings."""
        door = edge.websocket
        return cls(
            max_message=door.max_frame_size,
            is_probed=is_probed,
            silence=SILENT_BEATS * door.heartbeat_interval,
            message_time=edge.protection.body_timeout,
            rate=door.max_messages_per_second if is_paced else UNPACED,
            max_buffer=door.max_buffer,
            slow_consumer_timeout=door.slow_consumer_timeout,
        )
