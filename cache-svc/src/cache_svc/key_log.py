"""Names of answers, for callers that want to know without asking that there is none."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, Collection

from cache_svc.memory_log import HEARTBEAT
from cache_svc.store import Entry, Holdings, Selection, Store
from chassis.bell import Bell
from chassis.errors import Reason, RunestoneError

LETTER = 8_192  # names in one message at most
MOST = 200_000  # answers above which none is named: naming them would cost more than asking
KEPT = 50_000  # stored names that a follower may be behind before he has to begin anew
PACE = 0.02  # seconds that stored names are gathered for

Names = tuple[list[int], bool]


def name_of(fingerprint: bytes) -> int:
    """The first eight bytes as a number: few enough to be sent, too many for two questions to meet often; where they do, an answer
    is asked for that is not there."""
    return int.from_bytes(fingerprint[:8])


class KeyLog:
    """Numbers stored names and keeps the last `kept`. A follower has a place in it and no queue of his own. `kept_now` are the
    fingerprints of all answers that there are at any time."""

    def __init__(self, kept_now: Collection[bytes], *, kept: int = KEPT, pace: float = PACE) -> None:
        self._kept_now = kept_now
        self._stored: deque[int] = deque(maxlen=kept)
        self._count = 0
        self._pace = pace
        self._news = Bell()

    def add(self, fingerprint: bytes) -> None:
        """An answer was stored."""
        self._stored.append(name_of(fingerprint))
        self._count += 1
        self._news.ring()

    async def follow(self, span: float) -> AsyncGenerator[Names]:
        """Names for `span` seconds, and whether all that are kept are named by now. Something comes every second, so that a caller
        knows that he hears. Ends early for who is too slow. Raises UNIMPLEMENTED where there are too many."""
        until = asyncio.get_running_loop().time() + span
        if len(self._kept_now) > MOST:
            raise RunestoneError(Reason.UNIMPLEMENTED, f"more than {MOST} answers are kept: too many to be named")
        place, kept = self._count, [name_of(fingerprint) for fingerprint in self._kept_now]
        for start in range(0, max(1, len(kept)), LETTER):
            yield kept[start : start + LETTER], start + LETTER >= len(kept)
        while asyncio.get_running_loop().time() < until:
            behind = self._count - place
            if behind > len(self._stored):
                return
            told = min(behind, LETTER)
            yield [self._stored[index - behind] for index in range(told)], True
            place += told
            if place == self._count:
                await self._wait()

    async def _wait(self) -> None:
        """Until something is stored, and a moment longer for what comes with it."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HEARTBEAT):
                await self._news.wait()
                await asyncio.sleep(self._pace)

    def __repr__(self) -> str:
        return f"KeyLog({self._count} stored)"


class NamedStore:
    """A store of which every answer that is kept is named."""

    def __init__(self, store: Store, log: KeyLog) -> None:
        self._store = store
        self._log = log

    async def look_up(self, fingerprint: bytes, tenant: str = "", /) -> bytes | None:
        """What the store has."""
        return await self._store.look_up(fingerprint, tenant)

    async def keep(self, entry: Entry) -> bool:
        """Whether the store keeps it."""
        is_kept = await self._store.keep(entry)
        if is_kept:
            self._log.add(entry.fingerprint)
        return is_kept

    async def purge(self, selection: Selection) -> int:
        """Names of what is forgotten stay with those who heard them."""
        return await self._store.purge(selection)

    async def take_stock(self) -> Holdings:
        """What the store holds."""
        return await self._store.take_stock()

    def __repr__(self) -> str:
        return f"NamedStore({self._store!r}, {self._log!r})"
