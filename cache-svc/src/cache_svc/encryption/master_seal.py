"""What is sealed under the master key itself, because it is no tenant's own: changes in the log, answers under a key. Pure.

Format 1: version (1 byte; a protobuf message begins with no such byte), salt (16), ciphertext, tag (16). Each is sealed under a key of
its own, derived from the master key and the random salt (after XAES-256-GCM, https://c2sp.org/XAES-256-GCM), so that there may
be any number of them, and that reading them needs no data key.
"""

from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cache_svc.encryption.sealing import NONCE_SIZE
from cache_svc.encryption.wrapping import Randomness, derive

VERSION = b"\x01"
HEADER_SIZE = len(VERSION) + 16
NONCE = bytes(NONCE_SIZE)  # a key seals once


class MasterSeal:
    """Seals for one purpose, with the master key; unseals with those before it, too."""

    def __init__(self, purpose: bytes, masters: Sequence[bytes], random: Randomness) -> None:
        self._keys = tuple(derive(master, purpose) for master in masters)
        self._random = random

    def seal(self, text: bytes, place: bytes = b"") -> bytes:
        """The text, for who has the master key and knows the place that it belongs to."""
        header = VERSION + self._random(HEADER_SIZE - len(VERSION))
        return header + _cipher(self._keys[0], header).encrypt(NONCE, text, place)

    def unseal(self, sealed: bytes, place: bytes = b"") -> bytes | None:
        """The text; None for what none of the keys has sealed for this place."""
        header, ciphertext = sealed[:HEADER_SIZE], sealed[HEADER_SIZE:]
        if not header.startswith(VERSION):
            return None
        for key in self._keys:
            try:
                return _cipher(key, header).decrypt(NONCE, ciphertext, place)
            except InvalidTag:
                continue
        return None


def _cipher(key: bytes, header: bytes) -> AESGCM:
    return AESGCM(derive(key, header))
