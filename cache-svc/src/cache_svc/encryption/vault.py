"""Which tenants' answers are encrypted, and the keys for it: each tenant's own, and one that no tenant owns, to hide names with."""

from cache_svc.encryption.data_keys import DataKeys
from cache_svc.encryption.names import Names
from cache_svc.encryption.ring import Ring
from cache_svc.encryption.wrapping import LockedError
from chassis.globs import Globs

INDEX = "index"


class Vault:
    """The keys of the tenants that `tenants` names, of whom `near_tenants` allow copies outside. The empty name stands for answers
    that tenants share. Raises as DataKeys does."""

    are_used = True

    def __init__(self, keys: DataKeys, tenants: Globs, near_tenants: Globs) -> None:
        self._keys = keys
        self._tenants = tenants
        self._near_tenants = near_tenants
        self._names: tuple[bytes, Names] | None = None

    def covers(self, tenant: str) -> bool:
        """Whether the tenant's answers are encrypted."""
        return tenant in self._tenants

    def may_copy(self, tenant: str) -> bool:
        """Whether its answers may be kept readable in memory elsewhere."""
        return tenant not in self._tenants or tenant in self._near_tenants

    async def find_names(self) -> Names | None:
        """What hides names; None where nothing was sealed yet."""
        ring = await self._keys.find(INDEX)
        return None if ring is None else self._read_names(ring)

    async def ensure_names(self) -> Names:
        """What hides names, made where it is missing. It is never changed: nothing is sealed with it, and no entry would be found
        any more."""
        return self._read_names(await self._keys.ensure(INDEX, for_sealing=False))

    async def find_keys(self, tenant: str) -> Ring | None:
        """The tenant's keys as they were moments ago; None where there were none."""
        return await self._keys.find(_owner(tenant))

    async def read_keys(self, tenant: str) -> Ring | None:
        """The tenant's keys as they are."""
        return await self._keys.read(_owner(tenant))

    async def ensure_keys(self, tenant: str) -> Ring:
        """The tenant's keys, to seal with."""
        return await self._keys.ensure(_owner(tenant))

    async def destroy(self, tenant: str) -> bool:
        """Makes what was sealed for the tenant unreadable for ever, and says whether there was a key; within two seconds in
        other processes. Raises UNAVAILABLE: then nothing is promised.

        What hides names goes, too, where no master key opens it: so a lost master key is got over.
        """
        was_there = await self._keys.destroy(_owner(tenant))
        try:
            await self._keys.read(INDEX)
        except LockedError:
            await self._keys.destroy(INDEX)
        return was_there

    def _read_names(self, ring: Ring) -> Names:
        if self._names is None or self._names[0] != ring.newest.id:
            self._names = ring.newest.id, Names(ring.newest.secret)
        return self._names[1]

    def __repr__(self) -> str:
        return f"Vault({self._keys!r})"


def _owner(tenant: str) -> str:
    return f"tenant {tenant}"
