"""One answer on its way to the client, of which it is noted where its provider stores it."""

import asyncio

from gateway_edge.caching.rules import FOLLOWED
from gateway_edge.call import Call
from gateway_edge.question.views import ResponsesRequest
from gateway_edge.stored.place import Place
from gateway_edge.stored.places import KEPT_FOR, Places
from gateway_edge.stored.reading import may_hold_end, read_document, read_events


def watch_response(places: Places, call: Call) -> "ResponseWatch | None":
    """A watch over the answer of a call that its provider is asked to store; None for all others."""
    if not call.endpoint.is_stored or call.resource is not None or call.followed is not None or call.principal is None:
        return None
    view = call.asked.view
    if not isinstance(view, ResponsesRequest) or view.store is False:
        return None
    return ResponseWatch(places, call, is_background=bool(view.background))


class ResponseWatch:
    """Notes the response as soon as its id has passed, beside the answer; who has seen the end can rely on it. One that runs in the
    background may be asked for at once, so its first event waits for the note.

    An answer that shares another call's response is that other call's. One that is translated is stored by nobody: of a stream that can be
    read on the id is noted all the same, for as long as that is.
    """

    def __init__(self, places: Places, call: Call, *, is_background: bool) -> None:
        self._places = places
        self._call = call
        self._is_background = is_background
        self._stream = call.id if call.is_resumable and call.asked.is_stream else ""
        self._is_stored = True
        self._has_begun = False
        self._pending: asyncio.Event | None = None

    def note_translated(self, *, is_translated: bool) -> None:
        """Whether the answer that has begun is."""
        self._is_stored = not is_translated

    async def see_events(self, events: bytes) -> None:
        """Events that are about to be sent."""
        if not self._has_begun:
            self._has_begun = True
            if self._call.outcome.cache != FOLLOWED:
                self._note(read_events(events, is_stored=self._is_stored))
        if self._pending is not None and (self._pending.is_set() or self._is_background or may_hold_end(events)):
            await self.settle()

    async def see_document(self, body: bytes) -> None:
        """A whole answer that is about to be sent."""
        if self._call.outcome.cache != FOLLOWED or self._call.outcome.is_keeper:
            self._note(read_document(body))
        await self.settle()

    async def settle(self) -> None:
        """Returns when what was to be noted is, or cannot be."""
        if self._pending is not None:
            await self._pending.wait()
            self._pending = None

    def _note(self, response_id: str) -> None:
        call = self._call
        if response_id and (self._is_stored or self._stream):
            place = Place(call.outcome.provider if self._is_stored else "", call.asked.view.model, self._stream)
            ttl = KEPT_FOR if self._is_stored else call.arrival.timeout + call.settings.edge.websocket.resume_window
            self._pending = self._places.keep(call.caller.tenant, response_id, place, ttl)
