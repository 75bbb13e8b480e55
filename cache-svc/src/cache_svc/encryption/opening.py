"""Encryption, put together: where keys are kept, what opens them, and who hears of what could not be opened."""

import secrets

from cache_svc.encryption.data_keys import DataKeys
from cache_svc.encryption.keyring import Keyring, MemoryKeyring
from cache_svc.encryption.master_seal import MasterSeal
from cache_svc.encryption.redis_keyring import RedisKeyring
from cache_svc.encryption.ring import LONGEST_LIFE, LONGEST_USE
from cache_svc.encryption.sealed_state import SealedState
from cache_svc.encryption.sealed_store import Outcome, SealedStore
from cache_svc.encryption.vault import Vault
from cache_svc.encryption.wrapping import MasterKeys
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


def seal_store(
    runtime: Runtime, encryption: Encryption, store: Store, client: RedisClient | None
) -> tuple[SealedStore, Vault]:
    """The store with a seal around it, and the keys: kept where the answers are, in `client` or else in memory."""
    vault = _open_vault(encryption, _open_keyring(client), runtime.clock)
    unsealed = runtime.metrics.counter("cache_unsealed", "Sealed answers that were found, by outcome", ("outcome",))
    witness = Witness(unsealed, runtime.log, runtime.clock)
    return SealedStore(store, vault, secrets.token_bytes, witness.note), vault


def seal_state(encryption: Encryption, state: StateStore) -> SealedState:
    """Shared state with a seal around it."""
    return SealedState(state, _read_masters(encryption), secrets.token_bytes)


def make_log_seal(encryption: Encryption) -> MasterSeal:
    """What seals changes in a log that is shared."""
    return MasterSeal(b"log", _read_masters(encryption), secrets.token_bytes)


def _open_keyring(client: RedisClient | None) -> Keyring:
    """A record has lapsed when a key in it has sealed nothing for longer than an entry lives."""
    return MemoryKeyring() if client is None else RedisKeyring(client, ttl=LONGEST_USE + LONGEST_LIFE)


def _open_vault(encryption: Encryption, keyring: Keyring, clock: Clock) -> Vault:
    keys = DataKeys(keyring, MasterKeys(_read_masters(encryption), secrets.token_bytes), clock, secrets.token_bytes)
    return Vault(keys, Globs(encryption.tenants), Globs(encryption.near_tenants))


def _read_masters(encryption: Encryption) -> tuple[bytes, ...]:
    """The master key, and those before it."""
    return tuple(read_master_key(key) for key in (encryption.master_key, *encryption.previous_keys))


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
