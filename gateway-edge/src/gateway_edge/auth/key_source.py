"""Where an issuer's keys come from: written in the configuration, or fetched and fetched again."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

from chassis.clock import Clock
from chassis.errors import Reason, RunestoneError
from chassis.logs import Logger
from gateway_edge.auth.key_set import PublicKey, PublicKeys

FETCH_TIMEOUT = 5.0  # seconds
COOLDOWN = 10.0  # seconds between two fetches that callers ask for: unknown key ids cost nothing to invent

Fetch = Callable[[str], Awaitable[bytes]]


class KeySource(Protocol):
    """The keys of one issuer. `keys` are those in force; None until there are any."""

    keys: PublicKeys | None

    async def find(self, kid: str | None) -> PublicKey | None:
        """The key with this id; None when the issuer has none. Raises UNAVAILABLE while that cannot be known."""


class WrittenKeys:
    """Keys that the configuration has."""

    def __init__(self, document: str) -> None:
        self.keys: PublicKeys | None = PublicKeys(document)

    async def find(self, kid: str | None) -> PublicKey | None:
        """The key with this id."""
        return self.keys.find(kid) if self.keys else None


class FetchedKeys:
    """Keys behind an address. Those that were fetched stay until others replace them: an issuer that is away changes nothing.
    They are fetched anew in the background when `refresh` seconds old, and at once, a caller waiting, for a key id that is not
    known: the issuer may have begun to use a new key."""

    def __init__(
        self,
        url: str,
        fetch: Fetch,
        clock: Clock,
        spawn: Callable[[Coroutine[Any, Any, None], str], None],
        log: Logger,
        *,
        refresh: float,
    ) -> None:
        self.keys: PublicKeys | None = None
        self._url = url
        self._fetch = fetch
        self._clock = clock
        self._spawn = spawn
        self._log = log
        self._refresh = refresh
        self._fetched_at = self._tried_at = float("-inf")
        self._fetching: asyncio.Event | None = None

    async def find(self, kid: str | None) -> PublicKey | None:
        """The key with this id."""
        if self._clock.monotonic() - self._fetched_at > self._refresh:
            self.fetch_soon()
        found = self.keys.find(kid) if self.keys else None
        if found is None:
            await self._fetch_now()
            found = self.keys.find(kid) if self.keys else None
        if self.keys is None:
            message = "the issuer's keys cannot be fetched right now"
            raise RunestoneError(Reason.UNAVAILABLE, message, retry_after=COOLDOWN)
        return found

    def fetch_soon(self) -> None:
        """Begins to fetch, unless that is going on or was tried a moment ago."""
        if self._fetching is None and self._clock.monotonic() - self._tried_at > COOLDOWN:
            self._fetching = asyncio.Event()
            self._tried_at = self._clock.monotonic()
            self._spawn(self._replace(self._fetching), "keys of an issuer")

    async def _fetch_now(self) -> None:
        self.fetch_soon()
        if self._fetching is not None:
            await self._fetching.wait()  # fetching has a deadline of its own

    async def _replace(self, done: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(FETCH_TIMEOUT):
                self.keys = PublicKeys(await self._fetch(self._url))
            self._fetched_at = self._clock.monotonic()
        except (OSError, ValueError) as error:  # a timeout is an OSError
            self._log.warning(
                "keys of an issuer not fetched", url=self._url, problem=str(error) or type(error).__name__
            )
        finally:
            self._fetching = None
            done.set()

    def __repr__(self) -> str:
        return f"FetchedKeys({self._url}, {self.keys})"
