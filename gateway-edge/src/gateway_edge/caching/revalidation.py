"""Questions asked anew by the edge itself, while their clients get what was kept."""

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Protocol

from gateway_edge.call import Call, Outcome
from gateway_edge.callers.tenants import Principal

# Of the client's headers: its credentials, which are verified already, and what speaks of its one call.
NOT_SENT_ANEW = ("authorization", "x-api-key", "api-key", "idempotency-key", "traceparent", "x-request-id")


class Asker(Protocol):
    """Makes calls of the edge's own accord: `InnerCalls`."""

    def make(
        self, principal: Principal, body: bytes, *, headers: Mapping[str, str], of: Call | None
    ) -> Awaitable[Outcome]:
        """Makes a call to its end; a failure is the outcome's, and on record."""


class Revalidation:
    """Has stale answers replaced, each once at a time. Such a call is limited and recorded as its client's; one for which there is
    no room is left to the next asker."""

    def __init__(self, asker: Asker, spawn: Callable[[Coroutine[Any, Any, None], str], None]) -> None:
        self._asker = asker
        self._spawn = spawn
        self._running: set[bytes] = set()

    def begin(self, call: Call, key: bytes) -> None:
        """Asks what `call` asked once more, in the background."""
        if key not in self._running:
            self._running.add(key)
            self._spawn(self._ask(call, key), "cache revalidation")

    async def _ask(self, call: Call, key: bytes) -> None:
        headers = {name: value for name, value in call.arrival.headers.items() if name not in NOT_SENT_ANEW}
        headers["cache-control"] = "no-cache"
        try:
            await self._asker.make(call.caller, call.received or b"", headers=headers, of=call)
        finally:
            self._running.discard(key)
