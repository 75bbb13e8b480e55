"""Proofs that thoughts are the fake provider's own: what it gave it knows again, anything else it refuses."""

import base64
from hashlib import blake2b

KEY = b"the fake provider's own"
SIZE = 48


def sign(maker: str, text: str) -> str:
    """The signature of a thought; of the same text always the same."""
    return base64.b64encode(_digest(maker, text.encode())).decode()


def is_signed(maker: str, text: str, signature: object) -> bool:
    return signature == sign(maker, text)


def encrypt(maker: str, text: str) -> str:
    """Something opaque that proves itself. It is a fake: the text stands in it."""
    content = text.encode()
    return base64.b64encode(_digest(maker, content) + content).decode()


def is_own(maker: str, sealed: object) -> bool:
    """Whether `sealed` came from `encrypt` for the same maker."""
    try:
        content = base64.b64decode(str(sealed), validate=True)
    except ValueError:
        return False
    return content[:SIZE] == _digest(maker, content[SIZE:])


def _digest(maker: str, content: bytes) -> bytes:
    return blake2b(content, digest_size=SIZE, key=KEY, person=maker.encode()[:16]).digest()
