"""The issuers' keys over all snapshots: what was fetched under one serves the next."""

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from chassis.clock import Clock
from chassis.config.authentication import Issuer
from chassis.logs import Logger

if TYPE_CHECKING:
    from gateway_edge.auth.key_source import FetchedKeys, KeySource


class KeySources:
    """Finds the source of an issuer's keys. A fetched one is held by the policies that use it, and gone with the last."""

    def __init__(self, clock: Clock, spawn: Callable[[Coroutine[Any, Any, None], str], None], log: Logger) -> None:
        self._clock = clock
        self._spawn = spawn
        self._log = log
        self._fetched: WeakValueDictionary[tuple[str, float], FetchedKeys] = WeakValueDictionary()

    def find(self, issuer: Issuer) -> "KeySource":
        """The source; one that is new begins to fetch. Raises ValueError for a written key set without a key to use."""
        from gateway_edge.auth.key_source import FetchedKeys, WrittenKeys  # noqa: PLC0415  only where it is needed

        if issuer.jwks is not None:
            return WrittenKeys(issuer.jwks)
        place = (issuer.jwks_url or "", float(issuer.refresh))
        source = self._fetched.get(place)
        if source is None:
            from gateway_edge.auth.key_fetch import fetch_keys  # noqa: PLC0415  only where it is needed

            source = FetchedKeys(place[0], fetch_keys, self._clock, self._spawn, self._log, refresh=place[1])
            self._fetched[place] = source
            source.fetch_soon()
        return source
