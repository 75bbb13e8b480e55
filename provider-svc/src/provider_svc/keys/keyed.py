"""A provider around the same provider with each of its keys: it gives every call the key that has the most headroom.

It never asks twice. A call that was refused raises that, and its key is left alone from then on; who tries again gets the next. The hint
of what it raises says when that makes sense: 0.0 where another key may be asked.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from chassis.clock import Clock
from chassis.config.providers import Concurrency
from chassis.errors import Reason, RunestoneError
from provider_svc.keys.choice import find_hint
from provider_svc.keys.desk import Desk
from provider_svc.keys.line import Line
from provider_svc.keys.seat import KeySeat
from provider_svc.provider import Begun, Sink, UpstreamCall
from runestone.common.v1.dialect_pb2 import Dialect

KEPT = ""  # stands for a model where none is asked
MENDED = frozenset({Reason.PROVIDER_RATE_LIMITED, Reason.PROVIDER_CREDENTIALS_REFUSED})  # by another key


class Observer(Protocol):
    """Who is told of keys."""

    def watch(self, keyed: "Keyed") -> None:
        """The provider is open."""

    def forget(self, keyed: "Keyed") -> None:
        """The provider is closed; may be said again."""

    def note_pause(self, provider: str, key: str, reason: Reason) -> None:
        """From now on the key is left alone: for a model that it was RATE_LIMITED for, or at all where it was refused."""


class KeyState(NamedTuple):
    """What one key does now. `paused` are the seconds until it is left alone for nothing any more; `waiting` calls wait for whichever."""

    name: str
    running: int
    limit: int
    waiting: int
    paused: float


class Keyed:
    """The provider `name` with its `keys`, at least one. A call that finds all limits used waits in one line, for at most `patience` seconds;
    a freed place goes to who has waited longest.

    All keys are of one account; what that keeps is asked for with the first.
    """

    def __init__(
        self,
        name: str,
        keys: Sequence[KeySeat],
        clock: Clock,
        settings: Concurrency,
        *,
        patience: float = 5.0,
        observer: Observer | None = None,
    ) -> None:
        self.name = name
        self.keys = tuple(keys)
        self.dialects: frozenset[Dialect.ValueType] = keys[0].provider.dialects
        self._first = self.keys[:1]
        self._clock = clock
        self._observer = observer
        self._desk = Desk(name, self.keys, clock, Line(settings.queue, patience))
        if observer is not None:
            observer.watch(self)

    async def call(self, call: UpstreamCall, sink: Sink) -> None:
        """See `Provider.call`. Raises, without asking the provider, PROVIDER_RATE_LIMITED where each key is paused for the model, with the exact
        time until the first is not; OVERLOADED where too many calls wait, or this one waited too long. Cancelling while it waits leaves
        no trace."""
        keys, model = (self.keys, call.model) if call.kept is None else (self._first, KEPT)
        key = self._desk.take(keys, model) or await self._desk.wait(keys, model)
        heard = Heard(self, key, model, sink, self._clock.monotonic())
        try:
            await key.provider.call(call, heard)
        except RunestoneError as error:
            self._note_failure(heard, keys, error)
            raise
        finally:
            self._desk.leave(key)

    async def close(self) -> None:
        """Closes the provider of each key."""
        self._desk.close()
        if self._observer is not None:
            self._observer.forget(self)
        for key in self.keys:
            await key.provider.close()

    def statistics(self) -> list[KeyState]:
        """Each key now, in the order of the configuration."""
        now, waiting = self._clock.monotonic(), len(self._desk.line)
        return [KeyState(key.name, key.running, key.limit.places, waiting, key.paused(now)) for key in self.keys]

    def note_answer(self, heard: "Heard") -> None:
        """The provider begins to answer: the limit of the call's key may have grown."""
        heard.key.note_answer(heard.model, heard.begun, self._clock.monotonic())
        self._desk.serve()

    def _note_failure(self, heard: "Heard", keys: Sequence[KeySeat], error: RunestoneError) -> None:
        key, now = heard.key, self._clock.monotonic()
        if key.note_failure(heard.model, error, heard.begun, now):
            self._desk.note_pause(key)
            if self._observer is not None:
                self._observer.note_pause(self.name, key.name, error.reason)
        if error.reason in MENDED:
            error.retry_after = find_hint(key, keys, heard.model, error.retry_after, now)

    def __repr__(self) -> str:
        return f"Keyed({self.name}, {self._desk!r}, {self.keys[0].provider!r})"


class Heard:
    """A call's sink, and the moment in which its answer begins. `begun` is a `Clock.monotonic` time."""

    __slots__ = ("_keyed", "_sink", "add", "begun", "has_room", "key", "model", "wait_for_room")

    def __init__(self, keyed: Keyed, key: KeySeat, model: str, sink: Sink, begun: float) -> None:
        self.key = key
        self.model = model
        self.begun = begun
        self.add, self.has_room, self.wait_for_room = sink.add, sink.has_room, sink.wait_for_room
        self._keyed = keyed
        self._sink = sink

    def accept(self, begun: Begun) -> None:
        """Notes it."""
        self._keyed.note_answer(self)
        self._sink.accept(begun)
