"""Where a stream is read on: beside the provider's socket, else in its copy, else nowhere; one out of the cache in the cache."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable

from chassis.client import closing
from chassis.errors import Reason, RunestoneError
from chassis.metric_families import Counter
from gateway_edge.caching.shelf import Found, Shelf
from gateway_edge.call import Call, Followed
from gateway_edge.streams.copies import Copies
from gateway_edge.streams.kept import show_kept
from gateway_edge.streams.notes import no_stream
from gateway_edge.streams.replicas import ELSEWHERE, FlightReplicas
from runestone.provider.v1.provider_pb2 import AttachRequest, AttachResponse

PAUSES = (0.05, 0.1, 0.2, 0.4, 0.0)  # seconds behind each look at the cache that found nothing
LOST = "the service that read this stream is gone, and with it the rest of the stream"


class Follow:
    """Reads on for a call that follows. What was used is shown, but is billed to the call that began the stream, or to the one that is told
    to settle in its place. `outcomes` counts from where streams were read on: `flight`, `copy`, `cache`."""

    def __init__(self, flights: FlightReplicas, copies: Copies, shelf: Shelf, outcomes: Counter) -> None:
        self._flights = flights
        self._copies = copies
        self._shelf = shelf
        self._outcomes = outcomes

    async def __call__(self, call: Call) -> AsyncIterable[AttachResponse]:
        """What comes behind `call.followed.after_seq`. Ends without an end, or raises, where the rest is lost."""
        assert call.followed is not None, "it is found out before what is followed"
        call.outcome.is_billed = False
        if call.followed.note.kept:
            return self._read_kept(call, call.followed)
        return self._read_on(call, call.followed)

    async def _read_kept(self, call: Call, followed: Followed) -> AsyncGenerator[AttachResponse]:
        call.outcome.cache = call.reply.headers["x-cache"] = "HIT"
        found = await self._find_kept(followed)
        self._outcomes.labels("cache").inc()
        yield show_kept(call, followed, found)

    async def _find_kept(self, followed: Followed) -> Found:
        """The kept answer. One that another edge gave out of its own copies may still be on its way to cache-svc."""
        for pause in PAUSES:
            found = await self._shelf.find(followed.note.kept, followed.note.kept_for, is_pressed=True)
            if found.copy is not None or found.is_down:
                break
            await asyncio.sleep(pause)
        return found

    async def _read_on(self, call: Call, followed: Followed) -> AsyncGenerator[AttachResponse]:
        """The flight, and where that cannot be, its copy: the one keeps less, the other comes later. What the copy lacks is asked of the
        flight once more."""
        place = _Place(followed.after_seq)
        for source in (self._fly, self._copy, self._fly):
            try:
                async with closing(source(call, followed, place)) as responses:
                    async for response in responses:
                        place.note(response)
                        if response.settles:
                            followed.settles, call.outcome.is_billed = True, not place.is_shared
                        yield response
            except RunestoneError as error:
                if not place.note_failure(error):
                    raise
            if place.is_over:
                return
            if place.is_gone and source == self._copy:
                break
        raise place.explain(followed.stream_id)

    async def _fly(self, call: Call, followed: Followed, place: "_Place") -> AsyncGenerator[AttachResponse]:
        request = AttachRequest(call_id=followed.stream_id, tenant=call.caller.tenant, after_seq=place.seq)
        async with closing(self._flights.attach(request, followed.note.routed_by)) as responses:
            async for response in responses:
                if place.count("flight"):
                    self._outcomes.labels("flight").inc()
                yield response

    async def _copy(self, call: Call, followed: Followed, place: "_Place") -> AsyncGenerator[AttachResponse]:
        async with closing(self._copies.read(call.caller.tenant, followed.stream_id, place.seq)) as responses:
            async for response in responses:
                if place.count("copy"):
                    self._outcomes.labels("copy").inc()
                yield response


class _Place:
    """How far a stream was read, and why no further. One that `is_shared` is part of a generation that another call pays for."""

    def __init__(self, seq: int) -> None:
        self.seq = seq
        self.is_over = self.is_shared = self._is_known = False
        self._source = ""
        self._has_passed = False
        self._failures: list[RunestoneError] = []

    @property
    def is_gone(self) -> bool:
        """Whether no provider-svc knows the stream any more."""
        return any(failure.reason in ELSEWHERE for failure in self._failures)

    def note(self, response: AttachResponse) -> None:
        """What comes."""
        for event in response.events:
            match event.WhichOneof("event"):
                case "accepted":
                    self.is_shared, self._is_known = event.accepted.coalesced, True
                case "data":
                    self.seq = event.data.first_seq + len(event.data.ends) - 1
                    self._has_passed = True
                case "completed" | "failed":
                    self.is_over = True

    def count(self, source: str) -> bool:
        """Whether it is the first time that something comes from there."""
        is_first, self._source = self._source != source, source
        return is_first

    def note_failure(self, failure: RunestoneError) -> bool:
        """Why it went no further from one source; whether another may go on."""
        self._failures.append(failure)
        return failure.reason in ELSEWHERE or failure.reason is Reason.EVENTS_LOST

    def explain(self, stream_id: str) -> RunestoneError:
        """Why there is no more. A stream that nobody knows of is one that there never was; while somebody may know it, it is worth asking
        again."""
        by_reason = {failure.reason: failure for failure in self._failures}
        if Reason.EVENTS_LOST in by_reason:
            return by_reason[Reason.EVENTS_LOST]
        if self._has_passed or not by_reason:
            return RunestoneError(Reason.PROVIDER_STREAM_CUT, LOST)
        if Reason.UNAVAILABLE in by_reason:
            message = "where this stream is read cannot be told right now; try again"
            return RunestoneError(Reason.UNAVAILABLE, message, retry_after=1.0, code="streams_unavailable")
        return RunestoneError(Reason.PROVIDER_STREAM_CUT, LOST) if self._is_known else no_stream(stream_id)
