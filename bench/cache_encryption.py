"""What encryption costs the cache: CPU-us of sealing, opening, hiding, and of a store with and without it.

`python -m bench.cache_encryption`. The least of five rounds, with answers of 4 KiB in memory.
"""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable

from cache_svc.encryption.data_keys import DataKeys
from cache_svc.encryption.keyring import MemoryKeyring
from cache_svc.encryption.names import Names
from cache_svc.encryption.sealed_store import SealedStore
from cache_svc.encryption.sealing import DataKey, Place, seal, unseal
from cache_svc.encryption.vault import Vault
from cache_svc.encryption.wrapping import MasterKeys
from cache_svc.eviction.tiny_lfu import TinyLfu
from cache_svc.memory import MemoryStore
from cache_svc.store import Bounds, Entry, Labels, Store
from chassis.clock import SystemClock
from chassis.globs import Globs

SIZE = 4096
ROUNDS, TIMES = 5, 10_000
BOUNDS = Bounds(max_entries=1000, max_bytes=100_000_000)
PLACE = Place("acme", secrets.token_bytes(32))
ENTRY = Entry(PLACE.fingerprint, secrets.token_bytes(SIZE), 60.0, Labels("acme", "fast", ("a", "b")))


async def main() -> None:
    """Prints a line for each."""
    await _print_parts()
    for name, store in (("plain", _open()), ("sealed", _seal(_open()))):
        await _print_store(name, store)


async def _print_parts() -> None:
    key, names = DataKey(b"k" * 8, secrets.token_bytes(32), 0), Names(secrets.token_bytes(32))
    sealed = seal(key, PLACE, secrets.token_bytes(12), ENTRY.body)
    await _print("seal 4 KiB", _later(lambda: seal(key, PLACE, secrets.token_bytes(12), ENTRY.body)))
    await _print("open 4 KiB", _later(lambda: unseal(key, PLACE, sealed)))
    await _print("hide a fingerprint", _later(lambda: names.hide_fingerprint(PLACE.fingerprint)))
    await _print("hide four labels", _later(lambda: names.hide_labels(ENTRY.labels)))


async def _print_store(name: str, store: Store) -> None:
    await store.keep(ENTRY)
    await _print(f"{name} store: keep", lambda: store.keep(ENTRY))
    await _print(f"{name} store: look up", lambda: store.look_up(PLACE.fingerprint, PLACE.tenant))


async def _print(name: str, work: Callable[[], Awaitable[object]]) -> None:
    rounds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(TIMES):
            await work()
        rounds.append((time.process_time() - began) / TIMES * 1e6)
    print(f"{name:24} {min(rounds):6.1f} us")


def _later(work: Callable[[], object]) -> Callable[[], Awaitable[object]]:
    async def run() -> object:
        return work()

    return run


def _open() -> MemoryStore:
    return MemoryStore(BOUNDS, SystemClock(), TinyLfu(BOUNDS.max_entries, BOUNDS.max_bytes))


def _seal(store: Store) -> SealedStore:
    masters = MasterKeys([secrets.token_bytes(32)], secrets.token_bytes)
    vault = Vault(DataKeys(MemoryKeyring(), masters, SystemClock(), secrets.token_bytes), Globs(["*"]), Globs([]))
    return SealedStore(store, vault, secrets.token_bytes, lambda _outcome: None)


if __name__ == "__main__":
    asyncio.run(main())
