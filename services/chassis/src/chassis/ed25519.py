"""Ed25519 public keys as people keep them."""

import base64
import binascii
import re

SIZE = 32  # bytes
_SPKI = bytes.fromhex("302a300506032b6570032100")  # what DER has before the key (RFC 8410, section 4)
_PEM = re.compile(r"\s*-----BEGIN PUBLIC KEY-----([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----\s*")


def read_public_key(text: str) -> bytes:
    """The 32 bytes of a key written as PEM (RFC 7468), or as those bytes in base64. Raises ValueError when it is neither."""
    pem = _PEM.fullmatch(text)
    try:
        data = base64.b64decode("".join((pem[1] if pem else text).split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("is neither PEM nor base64") from error
    key = data.removeprefix(_SPKI) if pem else data
    if len(key) != SIZE:
        raise ValueError("is no Ed25519 public key: PEM of one, or its 32 bytes in base64")
    return key
