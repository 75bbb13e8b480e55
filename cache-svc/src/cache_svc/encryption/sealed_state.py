"""Shared state around another one, in which answers under a key are sealed, and what was asked is hidden.

All are, whoever's they are: the keys of calls are hashes and do not say.
"""

import hmac
from collections.abc import Sequence
from dataclasses import replace

from cache_svc.encryption.master_seal import MasterSeal
from cache_svc.encryption.wrapping import Randomness, derive
from cache_svc.state.store import MISMATCH, Ask, Outcome, Standing, StateStore
from chassis.errors import Reason, RunestoneError


class SealedState:
    """Nonces and claims are hashes and random numbers already. `masters`: the master key and those before it. An answer that does
    not open is UNAVAILABLE: its call was made, so that it must not be made again."""

    def __init__(self, store: StateStore, masters: Sequence[bytes], random: Randomness) -> None:
        self._store = store
        self._seal = MasterSeal(b"answers under a key", masters, random)
        self._note_seal = MasterSeal(b"notes", masters, random)
        self._maskings = tuple(derive(master, b"asked under a key") for master in masters)

    async def remember_nonce(self, scope: bytes, key: bytes, ttl: float) -> bool:
        """As the store does."""
        return await self._store.remember_nonce(scope, key, ttl)

    async def begin(self, ask: Ask) -> Outcome:
        """As the store does; what was asked under a previous master key is recognised."""
        outcome = MISMATCH
        for masking in self._maskings:
            hidden = hmac.digest(masking, ask.fingerprint, "sha256")
            outcome = await self._store.begin(replace(ask, fingerprint=hidden))
            if outcome.standing is not Standing.MISMATCH:
                break
        return self._unseal(ask.key, outcome) if outcome.standing is Standing.ANSWERED else outcome

    async def wait_for_change(self, key: bytes, *, waited: float, patience: float) -> bool:
        """As the store does."""
        return await self._store.wait_for_change(key, waited=waited, patience=patience)

    async def renew(self, key: bytes, token: bytes, ttl: float) -> None:
        """As the store does."""
        await self._store.renew(key, token, ttl)

    async def finish(self, key: bytes, token: bytes, answer: bytes, ttl: float) -> bool:
        """As the store does; the seal counts for the bound."""
        return await self._store.finish(key, token, self._seal.seal(answer, key), ttl)

    async def abandon(self, key: bytes, token: bytes) -> None:
        """As the store does."""
        await self._store.abandon(key, token)

    async def keep_note(self, scope: bytes, key: bytes, note: bytes, ttl: float) -> None:
        """As the store does."""
        await self._store.keep_note(scope, key, self._note_seal.seal(note, key), ttl)

    async def find_note(self, key: bytes) -> bytes | None:
        """As the store does; a note that does not open is not there."""
        sealed = await self._store.find_note(key)
        return None if sealed is None else self._note_seal.unseal(sealed, key)

    def _unseal(self, key: bytes, outcome: Outcome) -> Outcome:
        answer = self._seal.unseal(outcome.answer, key)
        if answer is None:
            raise RunestoneError(Reason.UNAVAILABLE, "an answer is kept under the key, and cannot be decrypted")
        return Outcome(Standing.ANSWERED, answer)

    def __repr__(self) -> str:
        return f"SealedState({self._store!r})"
