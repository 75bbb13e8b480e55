"""Changes in a shared log, sealed: they name tenants, models, tags and fingerprints. Pure.

Each is sealed under a key of its own, which is derived from the master key and 16 random bytes in front of it (after XAES-256-GCM,
https://c2sp.org/XAES-256-GCM), so that there may be any number of them, and that reading the log needs no data key.
"""

from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cache_svc.encryption.sealing import NONCE_SIZE
from cache_svc.encryption.wrapping import Randomness, derive

SALT_SIZE = 16
NONCE = bytes(NONCE_SIZE)  # a key seals once
BOUND_TO = b"runestone change 1"


class LogSeal:
    """Seals with the master key, unseals with those before it, too."""

    def __init__(self, current: bytes, previous: Sequence[bytes], random: Randomness) -> None:
        self._keys = tuple(derive(key, b"log") for key in (current, *previous))
        self._random = random

    def seal(self, change: bytes) -> bytes:
        """The change, for who has the master key."""
        salt = self._random(SALT_SIZE)
        return salt + _cipher(self._keys[0], salt).encrypt(NONCE, change, BOUND_TO)

    def unseal(self, sealed: bytes) -> bytes | None:
        """The change; None for what none of the keys has sealed."""
        salt = sealed[:SALT_SIZE]
        for key in self._keys:
            try:
                return _cipher(key, salt).decrypt(NONCE, sealed[SALT_SIZE:], BOUND_TO)
            except InvalidTag:
                continue
        return None


def _cipher(key: bytes, salt: bytes) -> AESGCM:
    return AESGCM(derive(key, salt))
