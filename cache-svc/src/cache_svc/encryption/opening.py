"""Encryption, put together: where keys are kept, what opens them, and who hears of what could not be opened."""

import secrets

from cache_svc.encryption.data_keys import DataKeys
from cache_svc.encryption.keyring import Keyring, MemoryKeyring
from cache_svc.encryption.master_seal import MasterSeal
from cache_svc.encryption.redis_keyring import RedisKeyring
from cache_svc.encryption.ring import LONGEST_LIFE, LONGEST_USE
from cache_svc.encryption.sealed_state import SealedState
from cache_svc.encryption.sealed_store import Outcome, SealedStore
from cache_svc.encryption.tenant_seal import TenantSeal
from cache_svc.encryption.vault import Vault
from cache_svc.encryption.wrapping import MasterKeys
from cache_svc.keys import Keys
from cache_svc.state.store import StateStore
from cache_svc.store import Store
from chassis.clock import Clock
from chassis.config.encryption import read_master_key
from chassis.config.schema import Encryption
from chassis.globs import Globs
from chassis.logs import Logger
from chassis.metric_families import Counter
from chassis.redis import RedisClient
from chassis.runtime import Runtime

PAUSE = 60.0  # seconds between two warnings
KEPT_FOR = (
    LONGEST_USE + LONGEST_LIFE
)  # seconds behind its last change, in which all that a record's keys sealed is over


class MasterSeals:
    """Seals under what `encryption` configures: the master key, and those before it."""

    def __init__(self, runtime: Runtime, encryption: Encryption) -> None:
        self._runtime = runtime
        self._encryption = encryption
        self._masters = tuple(read_master_key(key) for key in (encryption.master_key, *encryption.previous_keys))
        self.changes = MasterSeal(b"log", self._masters, secrets.token_bytes)

    def seal_store(self, store: Store, client: RedisClient | None) -> tuple[Store, Keys]:
        """A store that opens what it finds; who watches is told what does not open."""
        unsealed = self._runtime.metrics.counter("cache_unsealed", "Sealed answers found, by outcome", ("outcome",))
        witness = Witness(unsealed, self._runtime.log, self._runtime.clock)
        vault = self._open_vault(MemoryKeyring() if client is None else RedisKeyring(client, KEPT_FOR))
        return SealedStore(store, vault, secrets.token_bytes, witness.note), vault

    def seal_state(self, state: StateStore) -> StateStore:
        """Of all tenants: shared state does not know whose it is."""
        return SealedState(state, self._masters, secrets.token_bytes)

    def seal_content(self, purpose: bytes) -> TenantSeal:
        """Of the tenants that are encrypted. It is kept for hours at most, so that no key of theirs is needed, which could be shredded."""
        seal = MasterSeal(purpose, self._masters, secrets.token_bytes)
        return TenantSeal(seal, Globs(self._encryption.tenants))

    def _open_vault(self, keyring: Keyring) -> Vault:
        masters = MasterKeys(self._masters, secrets.token_bytes)
        keys = DataKeys(keyring, masters, self._runtime.clock, secrets.token_bytes)
        return Vault(keys, Globs(self._encryption.tenants), Globs(self._encryption.near_tenants))


class Witness:
    """Counts what became of sealed answers, and warns once a minute while no master key opens data keys: that mends itself
    when all replicas have the new one, or never."""

    def __init__(self, unsealed: Counter, log: Logger, clock: Clock) -> None:
        self._unsealed = unsealed
        self._log = log
        self._clock = clock
        self._silent_until = float("-inf")

    def note(self, outcome: Outcome) -> None:
        """Hears of one answer."""
        self._unsealed.labels(outcome).inc()
        now = self._clock.monotonic()
        if outcome == "locked" and now >= self._silent_until:
            self._silent_until = now + PAUSE
            advice = "name the master key that wrapped them in cache.encryption.previous_keys, or shred the tenants"
            self._log.warning("data keys cannot be unwrapped: encrypted answers are misses", advice=advice)
