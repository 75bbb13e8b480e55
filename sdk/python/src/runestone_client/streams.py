"""The streams of one topic: which run, what they are told, and from where they go on."""

from collections.abc import Callable
from time import monotonic
from typing import Any, Protocol

from runestone_client.errors import GatewayError, RunestoneError, StreamCancelledError, read_refusal
from runestone_client.settings import Settings
from runestone_client.stream import Origin, Steering, Stream

MOST_OVER = 64  # that are kept when they are over: who asked may hear of it behind the end
MOST_TRIES = 5  # to resume one
PASSING = frozenset({429, 503})
NOT_FOUND, YOUNG = 404, 5.0  # a stream that began within so many seconds may not be known everywhere yet


class Rejoin(Protocol):
    """Joins the topic anew in a while."""

    def __call__(self, retry_after: float | None = None) -> None:
        """Not before `retry_after` seconds."""


class Streams:
    """Those that run in a topic. A resume that the gateway cannot do right now is tried again, by joining anew."""

    def __init__(self, steering: Steering, settings: Settings, rejoin: Rejoin) -> None:
        self._steering, self._settings, self._rejoin = steering, settings, rejoin
        self.running: dict[str, Stream] = {}
        self._over: dict[str, Stream] = {}
        self._begun: dict[str, float] = {}
        self._tries: dict[str, int] = {}
        self._hear: dict[str, Callable[[Stream, dict[str, Any], int], None]] = {
            "stream:started": self._hear_started,
            "stream:chunk": self._hear_chunk,
            "stream:complete": self._hear_complete,
            "stream:error": self._hear_error,
            "stream:cancelled": self._hear_cancelled,
        }

    def open(self, stream_id: str) -> Stream:
        """The one of that id; a new one where there is none."""
        stream = self.running.get(stream_id) or self._over.get(stream_id)
        if stream is None:
            stream = Stream(
                stream_id,
                self._steering,
                max_unread=self._settings.max_unread_bytes,
                idle_timeout=self._settings.idle_timeout,
            )
            self.running[stream_id] = stream
            self._begun[stream_id] = monotonic()
        return stream

    def knows(self, stream_id: str) -> bool:
        """Whether it runs, or ended a while ago."""
        return stream_id in self.running or stream_id in self._over

    def describe_resume(self) -> dict[str, int]:
        """For a join: behind which event each goes on. That of a join that comes too often is tried anew with the next."""
        self._tries = {stream_id: self._tries.get(stream_id, 0) for stream_id in self.running}
        return {stream_id: stream.last_seq for stream_id, stream in self.running.items()}

    def hear(self, event: str, payload: Any, size: int) -> bool:
        """Whether the message was about a stream that runs here."""
        hear = self._hear.get(event)
        stream = self.running.get(str(payload.get("stream_id"))) if hear and isinstance(payload, dict) else None
        if hear is None or stream is None:
            return False
        hear(stream, payload, size)
        return True

    def end(self, error: RunestoneError) -> None:
        """All end."""
        for stream in list(self.running.values()):
            stream.end(error)
            self._forget(stream)

    def _hear_started(self, stream: Stream, payload: dict[str, Any], _size: int) -> None:
        stream.origin = Origin(
            provider=payload.get("provider"),
            model=payload.get("model"),
            cache=payload.get("cache"),
            headers=payload.get("headers"),
            sender=payload.get("from"),
            at=payload.get("at"),
            note=payload.get("note"),
        )

    def _hear_chunk(self, stream: Stream, payload: dict[str, Any], size: int) -> None:
        self._tries.pop(stream.id, None)
        stream.take(payload, size)
        if stream.is_over:
            self._forget(stream)

    def _hear_complete(self, stream: Stream, payload: dict[str, Any], _size: int) -> None:
        stream.complete(payload)
        self._forget(stream)

    def _hear_error(self, stream: Stream, payload: dict[str, Any], _size: int) -> None:
        error = read_refusal(payload)
        if self._may_try_again(stream, error):
            self._rejoin(error.retry_after)
            return
        stream.end(error)
        self._forget(stream)

    def _hear_cancelled(self, stream: Stream, payload: dict[str, Any], _size: int) -> None:
        by = payload.get("by")
        said = "the stream was cancelled" + (f" by {by}" if by else "")
        stream.end(StreamCancelledError(said, by=by, status=499, reason="cancelled"), "cancelled")
        self._forget(stream)

    def _may_try_again(self, stream: Stream, error: GatewayError) -> bool:
        """Where the resume failed, not the stream: nothing of it came since the join."""
        tries = self._tries.get(stream.id)
        is_young = monotonic() - self._begun[stream.id] < YOUNG
        if (
            tries is None
            or tries >= MOST_TRIES
            or not (error.status in PASSING or (error.status == NOT_FOUND and is_young))
        ):
            return False
        self._tries[stream.id] = tries + 1
        return True

    def _forget(self, stream: Stream) -> None:
        self.running.pop(stream.id, None)
        self._begun.pop(stream.id, None)
        self._tries.pop(stream.id, None)
        self._over[stream.id] = stream
        while len(self._over) > MOST_OVER:
            self._over.pop(next(iter(self._over)))
