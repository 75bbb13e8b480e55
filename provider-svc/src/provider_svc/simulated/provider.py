"""The provider of kind `simulated`: no network, the same answer to the same request."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

import orjson

from chassis.clock import Clock
from chassis.config.presets import list_dialects
from chassis.config.providers import Provider as ProviderSettings
from chassis.errors import Reason, RunestoneError
from provider_svc.dialect_names import find_dialects
from provider_svc.failures import failure_of_status
from provider_svc.provider import Begun, Chunk, Sink, UpstreamCall
from provider_svc.simulated.behaviour import Behaviour, read_behaviour
from provider_svc.simulated.endpoints import PLAYERS
from provider_svc.simulated.played import Asked

MOST_TOGETHER = 256 << 10  # bytes of events that are ready at once and go as one chunk


class SimulatedProvider:
    """Answers as `settings.simulation` and the model's name say (see `behaviour`)."""

    def __init__(self, name: str, settings: ProviderSettings, clock: Clock) -> None:
        self.name = name
        self.dialects = find_dialects(list_dialects(settings))
        self._simulation = settings.simulation
        self._clock = clock

    async def call(self, call: UpstreamCall, sink: Sink) -> None:
        """See `Provider.call`."""
        behaviour = read_behaviour(call.model, self._simulation)
        await _pass(behaviour.latency)
        if behaviour.status not in {0, 200}:
            raise self._failure(behaviour.status)
        played = PLAYERS[call.dialect](Asked(call, behaviour.words, int(self._clock.time())))
        sink.accept(Begun(200, f"sim-{played.id}"))
        call.meter.usage = played.usage
        for number, chunk in enumerate(_list_chunks(played.parts, call, behaviour)):
            if number and not behaviour.pace:
                await asyncio.sleep(0)  # between two reads of a provider's socket others have their turn
            await sink.wait_for_room()
            sink.add(chunk)
            await _pass(behaviour.pace)
        call.meter.finish_reason = played.finish_reason

    def _failure(self, status: int) -> RunestoneError:
        message = f"the simulated provider was asked to fail with {status}"
        body = orjson.dumps({"error": {"message": message, "type": "simulated_error", "param": None, "code": None}})
        return failure_of_status(status, {}, body, self._clock.time())

    async def close(self) -> None:
        """Nothing is open."""

    def __repr__(self) -> str:
        return f"SimulatedProvider({self.name})"


def _list_chunks(parts: Sequence[bytes], call: UpstreamCall, behaviour: Behaviour) -> Iterator[Chunk]:
    """The answer as it goes out; raises PROVIDER_STREAM_CUT where it is to break off, for a document at once."""
    cut = behaviour.cut
    if not call.stream:
        if cut:
            raise _cut_off()
        yield _join(parts)
        return
    passed = parts[:cut] if cut else parts
    yield from map(_join, ([event] for event in passed)) if behaviour.pace else _gather(passed)
    if len(passed) < len(parts):
        raise _cut_off()


def _gather(events: Iterable[bytes]) -> Iterator[Chunk]:
    """All events in as few chunks as the bound allows."""
    ready: list[bytes] = []
    size = 0
    for event in events:
        ready.append(event)
        size += len(event)
        if size >= MOST_TOGETHER:
            yield _join(ready)
            ready, size = [], 0
    if ready:
        yield _join(ready)


def _join(events: Sequence[bytes]) -> Chunk:
    return Chunk(b"".join(events), tuple(accumulate(map(len, events))))


async def _pass(seconds: float) -> None:
    if seconds:
        await asyncio.sleep(seconds)


def _cut_off() -> RunestoneError:
    return RunestoneError(
        Reason.PROVIDER_STREAM_CUT, "the simulated provider was asked to break its answer off", upstream_status=200
    )
