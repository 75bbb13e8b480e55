"""What edges share, in this process's memory: gone with it, so there may be one replica only."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from cache_svc.eviction.lru import Lru
from cache_svc.memory import MemoryStore
from cache_svc.state.changes import Changes
from cache_svc.state.register import Register
from cache_svc.state.store import CLAIMED, MISMATCH, RUNNING, Ask, Outcome, Standing, lost_claim
from cache_svc.store import Bounds, Entry
from chassis.clock import Clock

FINGERPRINT_SIZE = 32
SCOPES = 4  # that it takes to use up the room for nonces, or for notes


@dataclass(frozen=True, slots=True)
class _Claim:
    fingerprint: bytes
    token: bytes


class MemoryState:
    """Answers as the cache keeps them, those used last; claims, nonces and notes until their time, and no more than `max_entries` of
    each, nonces and notes of one scope no more than a quarter of it. Nothing in here awaits what could wait, so each method is one step. `on_eviction` hears of every answer that was
    dropped early to make room."""

    def __init__(self, bounds: Bounds, clock: Clock, on_eviction: Callable[[], None] = lambda: None) -> None:
        self.answers = MemoryStore(bounds, clock, Lru(), on_eviction)
        self.claims: Register[_Claim] = Register("calls under a key", bounds.max_entries, clock)
        self.nonces: Register[bool] = Register("nonces", bounds.max_entries, clock, -(-bounds.max_entries // SCOPES))
        self.notes: Register[bytes] = Register("notes", bounds.max_entries, clock, -(-bounds.max_entries // SCOPES))
        self.changes = Changes()

    async def remember_nonce(self, scope: bytes, key: bytes, ttl: float) -> bool:
        """By this process's clock. Raises OVERLOADED also when the scope alone has its share."""
        if self.nonces.get(key):
            return False
        self.nonces.put(key, value=True, ttl=ttl, owner=scope)
        return True

    async def begin(self, ask: Ask) -> Outcome:
        """An answer that is given counts as used last."""
        kept = await self.answers.look_up(ask.key)
        if kept is not None:
            is_same = kept[:FINGERPRINT_SIZE] == ask.fingerprint
            return Outcome(Standing.ANSWERED, kept[FINGERPRINT_SIZE:]) if is_same else MISMATCH
        claim = self.claims.get(ask.key)
        if claim is None or claim.token == ask.token:
            self.claims.put(ask.key, _Claim(ask.fingerprint, ask.token), ask.claim_ttl)
            return CLAIMED
        return RUNNING if claim.fingerprint == ask.fingerprint else MISMATCH

    async def wait_for_change(self, key: bytes, *, waited: float, patience: float) -> bool:  # noqa: ARG002  nothing to ask
        """Hears of a claim that is ended at once; one that runs out is looked at every second."""
        await self.changes.wait(key, min(patience, 1.0))
        return not self.changes.is_closed

    async def renew(self, key: bytes, token: bytes, ttl: float) -> None:
        """By this process's clock."""
        self.claims.put(key, self._held(key, token), ttl)

    async def finish(self, key: bytes, token: bytes, answer: bytes, ttl: float) -> bool:
        """Answers used longest ago make room."""
        claim = self._held(key, token)
        self.claims.remove(key)
        is_kept = await self.answers.keep(Entry(key, claim.fingerprint + answer, ttl))
        self.changes.announce(key)
        return is_kept

    async def abandon(self, key: bytes, token: bytes) -> None:
        """Who waits asks again, and one of them holds the claim."""
        claim = self.claims.get(key)
        if claim is not None and claim.token == token:
            self.claims.remove(key)
            self.changes.announce(key)

    async def keep_note(self, scope: bytes, key: bytes, note: bytes, ttl: float) -> None:
        """By this process's clock. Raises OVERLOADED also when the scope alone has its share."""
        self.notes.put(key, note, ttl, owner=scope)

    async def find_note(self, key: bytes) -> bytes | None:
        """Of this process."""
        return self.notes.get(key)

    async def sweep(self, pause: float = 1.0) -> None:
        """Drops what is over, every `pause` seconds and a bounded number at a time, until cancelled."""
        while True:
            has_more = [part.drop_expired() for part in (self.answers, self.claims, self.nonces, self.notes)]
            await asyncio.sleep(0 if any(has_more) else pause)

    def _held(self, key: bytes, token: bytes) -> _Claim:
        claim = self.claims.get(key)
        if claim is None or claim.token != token:
            raise lost_claim()
        return claim

    def __repr__(self) -> str:
        return f"MemoryState({self.answers!r}, {self.claims!r}, {self.nonces!r}, {self.notes!r}, {self.changes!r})"
