"""A store around another one, in which answers of encrypted tenants are sealed and what they are found by is hidden."""

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from cache_svc.encryption.names import Names
from cache_svc.encryption.ring import Ring
from cache_svc.encryption.sealing import NONCE_SIZE, Place, name_key, seal, unseal
from cache_svc.encryption.vault import Vault
from cache_svc.encryption.wrapping import LockedError, Randomness
from cache_svc.store import Entry, Holdings, Selection, Store
from chassis.errors import Reason, RunestoneError

Outcome = Literal["opened", "damaged", "no_key", "locked"]


class SealedStore:
    """Answers of other tenants are kept as they are. What cannot be unsealed is a miss, which `on_outcome` hears of: `damaged` (cut,
    changed, or of another place), `no_key` (the data key was destroyed or lost), `locked` (no master key opens it)."""

    def __init__(self, store: Store, vault: Vault, random: Randomness, on_outcome: Callable[[Outcome], None]) -> None:
        self._store = store
        self._vault = vault
        self._random = random
        self._on_outcome = on_outcome

    async def look_up(self, fingerprint: bytes, tenant: str = "", /) -> bytes | None:
        """The body, unsealed where the tenant's are sealed."""
        if not self._vault.covers(tenant):
            return await self._store.look_up(fingerprint)
        try:
            return await self._look_up_sealed(Place(tenant, fingerprint))
        except LockedError:
            self._on_outcome("locked")
            return None

    async def keep(self, entry: Entry) -> bool:
        """Keeps the entry sealed where its tenant's are; not at all while no master key opens the tenant's keys. The seal counts for
        the bounds."""
        if not self._vault.covers(entry.labels.tenant):
            return await self._store.keep(entry)
        try:
            sealed = await self._seal(entry)
        except LockedError:
            self._on_outcome("locked")
            return False
        return await self._store.keep(sealed)

    async def purge(self, selection: Selection) -> int:
        """Purges what is kept readable and what is hidden, whichever tenants are encrypted now. Raises UNAVAILABLE while no
        master key opens what names are hidden with."""
        try:
            names = await self._vault.find_names()
        except LockedError as error:
            message = "no master key that is configured opens what names are hidden with; shred a tenant to begin anew"
            raise RunestoneError(Reason.UNAVAILABLE, message) from error
        purged = await self._store.purge(selection)
        if names is None or selection == Selection(everything=True):
            return purged
        return purged + await self._store.purge(names.hide_selection(selection))

    async def take_stock(self) -> Holdings:
        """What the store holds, sealed or not."""
        return await self._store.take_stock()

    async def _look_up_sealed(self, place: Place) -> bytes | None:
        names, ring = await self._vault.find_names(), await self._vault.find_keys(place.tenant)
        if names is None or ring is None:
            return None
        sealed = await self._store.look_up(names.hide_fingerprint(place.fingerprint))
        if sealed is None:
            return None
        answer, outcome = await self._unseal(place, ring, sealed)
        self._on_outcome(outcome)
        return answer

    async def _unseal(self, place: Place, ring: Ring, sealed: bytes) -> tuple[bytes | None, Outcome]:
        """Another process may have sealed with a newer key than this one knew: then keys are read once more."""
        key_id = name_key(sealed)
        if key_id is None:
            return None, "damaged"
        key = ring.find(key_id)
        if key is None:
            latest = await self._vault.read_keys(place.tenant)
            key = latest.find(key_id) if latest is not None else None
        if key is None:
            return None, "no_key"
        answer = unseal(key, place, sealed)
        return answer, "damaged" if answer is None else "opened"

    async def _seal(self, entry: Entry) -> Entry:
        tenant = entry.labels.tenant
        names: Names = await self._vault.ensure_names()
        key = (await self._vault.ensure_keys(tenant)).spend()
        body = seal(key, Place(tenant, entry.fingerprint), self._random(NONCE_SIZE), entry.body)
        return replace(
            entry,
            fingerprint=names.hide_fingerprint(entry.fingerprint),
            body=body,
            labels=names.hide_labels(entry.labels),
        )

    def __repr__(self) -> str:
        return f"SealedStore({self._vault!r}, {self._store!r})"
