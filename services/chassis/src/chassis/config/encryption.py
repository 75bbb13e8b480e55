"""What `cache.encryption` may say: keys that are keys, and tenants that are somebody."""

import base64
from collections.abc import Iterator

from chassis.config.document import Finding, KeyPath
from chassis.config.schema import Encryption, Settings
from chassis.config.units import Secret

KEY_SIZE = 32
PATH: KeyPath = ("cache", "encryption")
FORM = "must be 32 random bytes as base64 or as 64 hex digits; `openssl rand -base64 32` makes them"


def read_master_key(secret: Secret) -> bytes:
    """The 32 bytes that are written as base64 (also URL-safe, also without padding) or as hex. Raises ValueError, without the
    key in it."""
    text = secret.reveal().strip()
    try:
        key = bytes.fromhex(text) if len(text) == 2 * KEY_SIZE else _read_base64(text)
    except ValueError:
        raise ValueError(FORM) from None
    if len(key) != KEY_SIZE:
        raise ValueError(FORM)
    return key


def check_encryption(settings: Settings) -> Iterator[Finding]:
    """Keys that are none, and encryption of nobody's answers."""
    encryption = settings.cache.encryption
    if encryption is None:
        return
    yield from _check_keys(encryption)
    if not encryption.tenants:
        yield (*PATH, "tenants"), "names nobody, so nothing would be encrypted; `*` names everybody"
    if encryption.near_tenants and not encryption.tenants:
        yield (*PATH, "near_tenants"), "allows copies of encrypted answers, of which `tenants` names none"


def _check_keys(encryption: Encryption) -> Iterator[Finding]:
    seen: set[bytes] = set()
    places = (
        (*PATH, "master_key"),
        *((*PATH, "previous_keys", index) for index in range(len(encryption.previous_keys))),
    )
    for path, secret in zip(places, (encryption.master_key, *encryption.previous_keys), strict=True):
        try:
            key = read_master_key(secret)
        except ValueError as error:
            yield path, str(error)
            continue
        if key in seen:
            yield path, "stands before already"
        seen.add(key)


def _read_base64(text: str) -> bytes:
    standard = text.replace("-", "+").replace("_", "/").rstrip("=")
    return base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
