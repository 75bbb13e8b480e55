"""Answers sealed with AES-256-GCM (NIST SP 800-38D), each bound to the place it belongs to. Pure.

Format 1: version (1 byte), data key id (8), nonce (12), ciphertext, tag (16). The associated data are version, key id, tenant and
fingerprint, each after its length, so that what was sealed for one place opens in no other.
"""

from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VERSION = b"\x01"
KEY_SIZE, ID_SIZE, NONCE_SIZE, TAG_SIZE = 32, 8, 12, 16
HEADER_SIZE = len(VERSION) + ID_SIZE + NONCE_SIZE
OVERHEAD = HEADER_SIZE + TAG_SIZE


@dataclass(frozen=True, slots=True)
class DataKey:
    """A key that answers are sealed with, the name that stands for it in what it sealed, and when it was made (Unix time)."""

    id: bytes
    secret: bytes = field(repr=False)
    made_at: int
    cipher: AESGCM = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "cipher", AESGCM(self.secret))


@dataclass(frozen=True, slots=True)
class Place:
    """Where an answer belongs: whose it is, and which question it answers."""

    tenant: str
    fingerprint: bytes


def seal(key: DataKey, place: Place, nonce: bytes, answer: bytes) -> bytes:
    """The answer, sealed. The nonce is 12 random bytes that no other answer under the key is sealed with."""
    return VERSION + key.id + nonce + key.cipher.encrypt(nonce, answer, _associated(key.id, place))


def name_key(sealed: bytes) -> bytes | None:
    """The id of the data key that it was sealed with; None for what is too short or of another format."""
    if len(sealed) < OVERHEAD or sealed[:1] != VERSION:
        return None
    return sealed[1 : 1 + ID_SIZE]


def unseal(key: DataKey, place: Place, sealed: bytes) -> bytes | None:
    """The answer; None for anything that was not sealed so, with this key and for this place."""
    if name_key(sealed) != key.id:
        return None
    nonce = sealed[1 + ID_SIZE : HEADER_SIZE]
    try:
        return key.cipher.decrypt(nonce, memoryview(sealed)[HEADER_SIZE:], _associated(key.id, place))
    except InvalidTag:
        return None


def frame(*parts: bytes) -> bytes:
    """The parts in a row, each after its length: no other parts give the same."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def _associated(key_id: bytes, place: Place) -> bytes:
    return frame(b"runestone answer", VERSION, key_id, place.tenant.encode(), place.fingerprint)
