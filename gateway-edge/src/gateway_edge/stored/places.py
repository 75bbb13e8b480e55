"""Where responses are, as all edges know it."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from chassis.breaker import Breaker
from chassis.clock import Clock
from chassis.context import CallContext, bind, current
from chassis.errors import Reason, RunestoneError
from chassis.metric_families import Counter
from gateway_edge.stored.notes import TIMEOUT, Notes, NoteState
from gateway_edge.stored.place import Place, is_id, read_place, write_place

__all__ = ["KEPT_FOR", "TIMEOUT", "NoteState", "Places"]

KEPT_FOR = 30 * 24 * 3600  # seconds: OpenAI keeps responses for 30 days

Spawn = Callable[[Coroutine[Any, Any, None], str], None]

_UNAVAILABLE = RunestoneError(
    Reason.UNAVAILABLE,
    "who has this response cannot be told right now; try again",
    retry_after=1.0,
    code="stored_responses_unavailable",
)


class Places:
    """Tells where each tenant's responses are. `outcomes` counts what came of it: `kept`, `not_kept`; `found`, `unknown`,
    `unavailable`."""

    def __init__(self, state: NoteState, breaker: Breaker, *, clock: Clock, spawn: Spawn, outcomes: Counter) -> None:
        self._notes = Notes(state, breaker, clock, outcomes, _UNAVAILABLE)
        self._spawn = spawn

    def keep(self, tenant: str, response_id: str, place: Place, ttl: float = KEPT_FOR) -> asyncio.Event:
        """Notes where a response is; the event is set when that is done, or cannot be: the response is then not found later.
        Whoever waits for it waits at most `TIMEOUT`; leaving does not stop it."""
        is_over = asyncio.Event()
        self._spawn(self._keep(tenant, response_id, place, ttl, is_over), "note response")
        return is_over

    async def find(self, tenant: str, response_id: str) -> Place | None:
        """Where the tenant's response is; None for one that is unknown, another tenant's, or no id at all. Raises UNAVAILABLE when
        nobody can say."""
        note = await self._notes.find(tenant, response_id) if is_id(response_id) else None
        self._notes.count("unknown" if note is None else "found")
        return None if note is None else read_place(note)

    async def _keep(self, tenant: str, response_id: str, place: Place, ttl: float, is_over: asyncio.Event) -> None:
        bind(CallContext(current().trace))  # whose deadline may have been why it ended
        try:
            await self._notes.keep(tenant, response_id, write_place(place), ttl)
        finally:
            is_over.set()
