"""What is sealed under the master key itself, because it is no tenant's own: changes in the log, answers under a key. Pure.

Each is sealed under a key of its own, which is derived from the master key and 16 random bytes in front of it (after XAES-256-GCM,
https://c2sp.org/XAES-256-GCM), so that there may be any number of them, and that reading them needs no data key.
"""

from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cache_svc.encryption.sealing import NONCE_SIZE
from cache_svc.encryption.wrapping import Randomness, derive

SALT_SIZE = 16
NONCE = bytes(NONCE_SIZE)  # a key seals once


class MasterSeal:
    """Seals for one purpose, with the master key; unseals with those before it, too."""

    def __init__(self, purpose: bytes, masters: Sequence[bytes], random: Randomness) -> None:
        self._keys = tuple(derive(master, purpose) for master in masters)
        self._random = random

    def seal(self, text: bytes, place: bytes = b"") -> bytes:
        """The text, for who has the master key and knows the place that it belongs to."""
        salt = self._random(SALT_SIZE)
        return salt + _cipher(self._keys[0], salt).encrypt(NONCE, text, place)

    def unseal(self, sealed: bytes, place: bytes = b"") -> bytes | None:
        """The text; None for what none of the keys has sealed for this place."""
        salt = sealed[:SALT_SIZE]
        for key in self._keys:
            try:
                return _cipher(key, salt).decrypt(NONCE, sealed[SALT_SIZE:], place)
            except InvalidTag:
                continue
        return None


def _cipher(key: bytes, salt: bytes) -> AESGCM:
    return AESGCM(derive(key, salt))
