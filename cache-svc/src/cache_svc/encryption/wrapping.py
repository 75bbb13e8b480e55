"""Data keys wrapped by the master key. Pure.

With AES-256-GCM, because it binds a key to its owner, its id and its age: AES key wrap (RFC 3394, 5649) has no room for that, and a
wrapped key could be moved to another owner. Its random nonces are no worry: a master key wraps a key a month and owner, not 2^32.
"""

from collections.abc import Callable, Iterable, Sequence

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from cache_svc.encryption.sealing import KEY_SIZE, NONCE_SIZE, DataKey, frame

Randomness = Callable[[int], bytes]


class LockedError(Exception):
    """No master key that is configured opens it."""


class WrappedKey(msgspec.Struct, frozen=True, array_like=True):
    """A data key as it is kept: its id, when it was made, and behind a nonce its secret."""

    id: bytes
    made_at: int
    secret: bytes


def write_record(keys: Iterable[WrappedKey]) -> bytes:
    """All of an owner's keys as they are kept, newest first."""
    return msgspec.msgpack.encode(list(keys))


def read_record(record: bytes) -> list[WrappedKey]:
    """The keys in a record, newest first. Raises LockedError for what is none."""
    try:
        keys = msgspec.msgpack.decode(record, type=list[WrappedKey])
    except msgspec.MsgspecError as error:
        raise LockedError from error
    if not keys:
        raise LockedError
    return keys


class MasterKeys:
    """The master key (32 bytes) first, which wraps; it and those before it unwrap."""

    def __init__(self, masters: Sequence[bytes], random: Randomness) -> None:
        self._current, *self._previous = (AESGCM(derive(master, b"wrap")) for master in masters)
        self._random = random

    def wrap(self, owner: str, key: DataKey) -> WrappedKey:
        """The key, readable for who has the master key and knows whose it is."""
        nonce = self._random(NONCE_SIZE)
        sealed = self._current.encrypt(nonce, key.secret, _associated(owner, key.id, key.made_at))
        return WrappedKey(key.id, key.made_at, nonce + sealed)

    def unwrap(self, owner: str, wrapped: WrappedKey) -> tuple[DataKey, bool]:
        """The key, and whether the current master key wrapped it. Raises LockedError."""
        nonce, sealed = wrapped.secret[:NONCE_SIZE], wrapped.secret[NONCE_SIZE:]
        associated = _associated(owner, wrapped.id, wrapped.made_at)
        for master in (self._current, *self._previous):
            try:
                secret = master.decrypt(nonce, sealed, associated)
            except (InvalidTag, ValueError):  # ValueError: a nonce that was cut
                continue
            return DataKey(wrapped.id, secret, wrapped.made_at), master is self._current
        raise LockedError


def derive(key: bytes, purpose: bytes, size: int = KEY_SIZE) -> bytes:
    """A key for one purpose out of a random one (HKDF-SHA-256, RFC 5869)."""
    return HKDF(SHA256(), size, salt=None, info=frame(b"runestone cache", purpose)).derive(key)


def _associated(owner: str, key_id: bytes, made_at: int) -> bytes:
    return frame(b"runestone data key", owner.encode(), key_id, str(made_at).encode())
