"""The data keys of every owner: made when first needed, changed in time, wrapped anew under a new master key, destroyed."""

from collections import OrderedDict
from collections.abc import Sequence

from cache_svc.encryption.keyring import Keyring
from cache_svc.encryption.ring import Ring
from cache_svc.encryption.sealing import ID_SIZE, KEY_SIZE, DataKey
from cache_svc.encryption.wrapping import MasterKeys, Randomness, read_record, write_record
from chassis.clock import Clock
from chassis.errors import Reason, RunestoneError

FRESHNESS = 2.0  # seconds that a process uses a ring without asking: so long it may miss that keys were destroyed
MOST_RINGS = 4096
ATTEMPTS = 3


class DataKeys:
    """The keys in one keyring. Every method raises UNAVAILABLE when the keyring does not answer, and LockedError when no master key
    opens what is there: that is left as it is, because another replica may know the key."""

    def __init__(self, keyring: Keyring, masters: MasterKeys, clock: Clock, random: Randomness) -> None:
        self._keyring = keyring
        self._masters = masters
        self._clock = clock
        self._random = random
        self._rings: OrderedDict[str, Ring] = OrderedDict()

    async def find(self, owner: str) -> Ring | None:
        """The owner's keys as they were at most two seconds ago; None where there were none, which is asked every time."""
        ring = self._rings.get(owner)
        if ring is not None and self._clock.monotonic() - ring.read_at < FRESHNESS:
            return ring
        return await self.read(owner)

    async def read(self, owner: str) -> Ring | None:
        """The owner's keys as they are, all wrapped by the current master key from now on."""
        read_at = self._clock.monotonic()
        return await self._take_in(owner, await self._keyring.read(owner), read_at)

    async def ensure(self, owner: str, *, for_sealing: bool = True) -> Ring:
        """Keys, made where there are none; `for_sealing` the newest may seal, and a new one takes over where one is worn."""
        ring = await self.find(owner)
        for _ in range(ATTEMPTS):
            if ring is not None and not (for_sealing and ring.is_worn(self._clock.time())):
                return ring
            ring = await self._add_key(owner, ring)
        raise RunestoneError(Reason.UNAVAILABLE, "data keys come and go faster than they can be used")

    async def destroy(self, owner: str) -> bool:
        """Destroys all keys of the owner, and says whether there were any. This process knows them no more when it returns,
        another for up to two seconds."""
        was_there = await self._keyring.destroy(owner)
        self._rings.pop(owner, None)
        return was_there

    async def _add_key(self, owner: str, ring: Ring | None) -> Ring | None:
        """What stands there afterwards: another process may have been first, or keys may have been destroyed."""
        read_at, now = self._clock.monotonic(), self._clock.time()
        key = DataKey(self._random(ID_SIZE), self._random(KEY_SIZE), int(now))
        keys = (key, *ring.list_needed(now)) if ring else (key,)
        stands = await self._keyring.swap(owner, ring.record if ring else None, self._wrap(owner, keys))
        return await self._take_in(owner, stands, read_at)

    async def _take_in(self, owner: str, record: bytes | None, read_at: float) -> Ring | None:
        earlier = self._rings.pop(owner, None)
        if record is None:
            return None
        if earlier is not None and earlier.record == record:
            earlier.read_at = max(earlier.read_at, read_at)
            return self._remember(owner, earlier)
        ring = await self._unwrap(owner, record, read_at)
        ring.follow(earlier)
        return self._remember(owner, ring)

    async def _unwrap(self, owner: str, record: bytes, read_at: float) -> Ring:
        pairs = [self._masters.unwrap(owner, wrapped) for wrapped in read_record(record)]
        keys = [key for key, _ in pairs]
        if all(is_current for _, is_current in pairs):
            return Ring(keys, record, read_at)
        anew = self._wrap(owner, keys)
        # Whoever was first, or has destroyed them meanwhile, is heard of with the next reading.
        await self._keyring.swap(owner, record, anew)
        return Ring(keys, anew, read_at)

    def _wrap(self, owner: str, keys: Sequence[DataKey]) -> bytes:
        return write_record(self._masters.wrap(owner, key) for key in keys)

    def _remember(self, owner: str, ring: Ring) -> Ring:
        self._rings[owner] = ring
        if len(self._rings) > MOST_RINGS:
            self._rings.popitem(last=False)
        return ring

    def __repr__(self) -> str:
        return f"DataKeys({len(self._rings)} owners known here, {self._keyring!r})"
