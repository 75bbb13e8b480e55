"""A target as the key of a hint: each name behind its length, so that no choice of names makes two targets one. Pure."""

from struct import Struct, error

LENGTH = Struct(">H")
LONGEST = 512  # bytes of a key that cache-svc takes


def write_key(provider: str, model: str) -> bytes | None:
    """The key of a provider's model; None where the names are too long for one."""
    names = provider.encode(), model.encode()
    if sum(map(len, names)) + 2 * LENGTH.size > LONGEST:
        return None
    return b"".join(LENGTH.pack(len(name)) + name for name in names)


def read_key(key: bytes) -> tuple[str, str] | None:
    """The provider and the model; None for what is no such key, as another version may write."""
    try:
        provider, rest = _split(key)
        model, rest = _split(rest)
        return None if rest else (provider.decode(), model.decode())
    except (error, UnicodeDecodeError, IndexError):
        return None


def _split(key: bytes) -> tuple[bytes, bytes]:
    (length,) = LENGTH.unpack_from(key)
    end = LENGTH.size + length
    if len(key) < end:
        raise IndexError
    return key[LENGTH.size : end], key[end:]
