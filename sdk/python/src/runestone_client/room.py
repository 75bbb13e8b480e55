"""A topic that many share: who is there, what they say, and the answers that all of them read."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal

from runestone_client.errors import RunestoneError
from runestone_client.events import Events, RoomAnswer, RoomEvent, RoomMessage, StreamStarted, StreamSteered
from runestone_client.line import Line
from runestone_client.presence import Meta, State, read_diff, read_state
from runestone_client.pushes import Quota
from runestone_client.settings import Settings
from runestone_client.topic import Topic

STEERED: Mapping[str, Literal["paused", "resumed", "cancelled"]] = {
    "stream:paused": "paused",
    "stream:resumed": "resumed",
    "stream:cancelled": "cancelled",
}


class Room(Topic):
    """A room that was joined as `key`. `presence` is who is there now, by key: what each told of itself. `history` is what was said before
    this client came, as far as it asked for it. All members hear the same in the same order, over lost connections too."""

    def __init__(
        self,
        name: str,
        line: Line,
        quota: Quota,
        settings: Settings,
        *,
        key: str | None = None,
        meta: Mapping[str, Any] | None = None,
        history: int | None = None,
    ) -> None:
        super().__init__(f"room:{name}", line, quota, settings)
        self.name, self.key, self.ref = name, key or "", ""
        self.history: tuple[RoomEvent, ...] = ()
        self._join = {"key": key, "meta": dict(meta or {}), "history": history}
        self._presence: State = {}
        self._position: int | None = None
        self._events: list[Events] = []
        self._hear: dict[str, Callable[[Any], RoomEvent | None]] = {
            "room:message": _read_message,
            "room:answer": _read_answer,
            "stream:started": self._hear_started,
            **dict.fromkeys(STEERED, self._hear_steered),
        }

    @property
    def presence(self) -> Mapping[str, list[Meta]]:
        """Who is there, in the order in which they came; one key may be there several times."""
        return MappingProxyType(self._presence)

    def events(self) -> Events:
        """What happens from now on: messages, answers, streams that begin, who comes and goes."""
        self._events.append(events := Events(self._settings.max_events, self._forget))
        return events

    async def say(self, body: Any) -> int:
        """Says any JSON to all, oneself too. Returns its position."""
        response = await self._channel.push("room:message", body)
        return int(response["position"])

    async def update(self, meta: Mapping[str, Any]) -> None:
        """Changes what is told of oneself."""
        self._join["meta"] = dict(meta)
        await self._channel.push("presence:update", {"meta": dict(meta)}, is_repeatable=True)

    def describe_join(self) -> dict[str, Any]:
        """Who one is; behind the first join from which position on the room is to be told."""
        after = None if self._position is None else self._position
        history = None if self._position is not None else self._join["history"]
        described = self._join | {"history": history, "after": after}
        return {name: value for name, value in described.items() if value is not None} | super().describe_join()

    def joined(self, response: Any) -> None:
        """What was said meanwhile is told now."""
        self.key, self.ref = str(response["key"]), str(response["ref"])
        told = response["history"]
        over = {said["payload"].get("stream_id") for said in told if said["event"] == "stream:ended"}
        events = [event for said in told if (event := self._read_past(said, over)) is not None]
        is_first, self._position = self._position is None, int(response["position"])
        if is_first:
            self.history = tuple(events)
        else:
            self._tell(events)

    def heard(self, event: str, payload: Any, size: int) -> None:
        """Of presence, of streams, of what is said."""
        if event == "presence_state":
            self._presence, changes = read_state(self._presence, payload)
            self._tell(changes)
        elif event == "presence_diff":
            self._presence, changes = read_diff(self._presence, payload)
            self._tell(changes)
        elif isinstance(payload, dict):
            self._note_position(payload)
            read = self._hear.get(event)
            told = read({**payload, "event": event}) if read is not None else None
            self._streams.hear(event, payload, size)
            if told is not None:
                self._tell([told])

    def ended(self, error: RunestoneError) -> None:
        """Nothing more happens here."""
        super().ended(error)
        for events in list(self._events):
            events.end(error)

    def _read_past(self, said: Any, over: set[Any]) -> RoomEvent | None:
        """An event of the history. Streams in it that ended cannot be read any more."""
        event, payload = said["event"], {**said["payload"], "event": said["event"]}
        if event == "stream:started":
            is_here = payload["stream_id"] not in over or self._streams.knows(payload["stream_id"])
            told = self._hear_started(payload) if is_here else _read_started(payload)
            if is_here:
                self._streams.hear(event, payload, 0)
            return told
        read = self._hear.get(event)
        return read(payload) if read is not None else None

    def _hear_started(self, payload: Any) -> StreamStarted:
        stream = self._streams.open(str(payload["stream_id"]))
        return _read_started(payload, stream)

    def _hear_steered(self, payload: Any) -> StreamSteered | None:
        if "position" not in payload:
            return None  # it was cancelled by what is no member
        what, stream_id = STEERED[payload["event"]], str(payload["stream_id"])
        stream = self._streams.running.get(stream_id)
        if stream is not None:
            stream.is_paused = what == "paused"
        return StreamSteered(
            position=payload["position"], stream_id=stream_id, what=what, by=str(payload.get("by", ""))
        )

    def _note_position(self, payload: dict[str, Any]) -> None:
        position = payload.get("position")
        if isinstance(position, int):
            self._position = max(self._position or 0, position)

    def _tell(self, events: "list[Any]") -> None:
        for reader in list(self._events):
            for event in events:
                reader.tell(event)

    def _forget(self, events: Events) -> None:
        if events in self._events:
            self._events.remove(events)


def _read_message(payload: Any) -> RoomMessage:
    return RoomMessage(
        position=payload["position"],
        sender=str(payload.get("from", "")),
        ref=str(payload.get("ref", "")),
        at=payload.get("at", 0),
        body=payload.get("body"),
    )


def _read_answer(payload: Any) -> RoomAnswer:
    return RoomAnswer(
        position=payload["position"],
        sender=str(payload.get("from", "")),
        ref=str(payload.get("ref", "")),
        at=payload.get("at", 0),
        answer=payload.get("answer"),
        note=payload.get("note"),
    )


def _read_started(payload: Any, stream: Any = None) -> StreamStarted:
    return StreamStarted(
        position=payload["position"],
        stream_id=str(payload["stream_id"]),
        sender=str(payload.get("from", "")),
        ref=str(payload.get("ref", "")),
        at=payload.get("at", 0),
        model=str(payload.get("model", "")),
        note=payload.get("note"),
        stream=stream,
    )
