"""An owner's data keys as one process knows them. Pure.

How many messages one key may seal with random nonces is 2^32 (NIST SP 800-38D, section 8.3). Replicas do not count together: one
process seals at most 2^24 with a key, and no key is sealed with for more than 30 days, in which it would take 256 processes,
restarts counted, that each do all they may to come that far.
"""

from collections.abc import Sequence

from cache_svc.encryption.sealing import DataKey

SHARE = 1 << 24  # answers that one process seals with one key
DAY = 86_400
LONGEST_USE = 30 * DAY
LONGEST_LIFE = 2 * 365 * DAY  # of an entry: a year fresh, a year stale
MOST_KEYS = 64


class Ring:
    """Keys, newest first: the newest seals, all unseal. `record` is how they are kept; they were read at `read_at` (of a
    clock that never steps back)."""

    def __init__(self, keys: Sequence[DataKey], record: bytes, read_at: float) -> None:
        self.keys = tuple(keys)
        self.record = record
        self.read_at = read_at
        self.spent = 0
        self._by_id = {key.id: key for key in keys}

    @property
    def newest(self) -> DataKey:
        """What to seal with."""
        return self.keys[0]

    def find(self, key_id: bytes) -> DataKey | None:
        """The key of that name."""
        return self._by_id.get(key_id)

    def is_worn(self, now: float) -> bool:
        """Whether another key is due."""
        return self.spent >= SHARE or now - self.newest.made_at >= LONGEST_USE

    def spend(self) -> DataKey:
        """The newest key, to seal one answer with."""
        self.spent += 1
        return self.newest

    def follow(self, earlier: "Ring | None") -> None:
        """Goes on counting where this process knew the same key before."""
        if earlier is not None and earlier.newest.id == self.newest.id:
            self.spent = earlier.spent

    def list_needed(self, now: float) -> tuple[DataKey, ...]:
        """The keys that something may still be sealed with when a new one takes over at `now`: all that were followed by
        another less than an entry's longest life ago, and no more than have room."""
        successions = (now, *(key.made_at for key in self.keys))
        needed = [key for key, end in zip(self.keys, successions, strict=False) if end + LONGEST_LIFE > now]
        return tuple(needed[: MOST_KEYS - 1])

    def __repr__(self) -> str:
        return f"Ring({len(self.keys)} keys, {self.spent} answers sealed with the newest)"
