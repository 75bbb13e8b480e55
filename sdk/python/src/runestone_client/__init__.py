"""Client of the Runestone gateway.

async with runestone_client.connect("http://127.0.0.1:4003", api_key=key) as client, client.session() as session:
    async for chunk in session.stream({"model": "simulated", "messages": [{"role": "user", "content": "Hello"}]}):
        print(chunk.text, end="", flush=True)
"""

from runestone_client.backoff import Backoff
from runestone_client.client import Client, connect
from runestone_client.cursor import Chunk
from runestone_client.errors import (
    AuthenticationError,
    ClosedError,
    ConflictError,
    ConnectionLostError,
    DeadlineExceededError,
    EventsLostError,
    GatewayError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    ProviderError,
    QueueFullError,
    RateLimitError,
    ReadTooSlowlyError,
    ReplyTimeoutError,
    RunestoneError,
    StreamCancelledError,
    UnavailableError,
)
from runestone_client.events import Events, RoomAnswer, RoomEvent, RoomMessage, StreamStarted, StreamSteered
from runestone_client.presence import PresenceChanged
from runestone_client.room import Room
from runestone_client.settings import Settings
from runestone_client.stream import Origin, Stream
from runestone_client.topic import Session

__all__ = [
    "AuthenticationError",
    "Backoff",
    "Chunk",
    "Client",
    "ClosedError",
    "ConflictError",
    "ConnectionLostError",
    "DeadlineExceededError",
    "Events",
    "EventsLostError",
    "GatewayError",
    "InvalidRequestError",
    "NotFoundError",
    "Origin",
    "PermissionDeniedError",
    "PresenceChanged",
    "ProviderError",
    "QueueFullError",
    "RateLimitError",
    "ReadTooSlowlyError",
    "ReplyTimeoutError",
    "Room",
    "RoomAnswer",
    "RoomEvent",
    "RoomMessage",
    "RunestoneError",
    "Session",
    "Settings",
    "Stream",
    "StreamCancelledError",
    "StreamStarted",
    "StreamSteered",
    "UnavailableError",
    "connect",
]
