"""Least recently used first: for what is used once or twice and soon, like an answer under an `Idempotency-Key`."""

from collections import OrderedDict


class Lru:
    """Every key counts alike; the one added last is given up last."""

    def __init__(self) -> None:
        self._keys: OrderedDict[bytes, None] = OrderedDict()

    def add(self, key: bytes, size: int) -> None:  # noqa: ARG002  as the protocol has it
        """As used just now."""
        self._keys[key] = None

    def touch(self, key: bytes) -> None:
        """As used just now."""
        self._keys.move_to_end(key)

    def remove(self, key: bytes) -> None:
        """Nothing is remembered of it."""
        del self._keys[key]

    def give_up(self) -> bytes:
        """The one used longest ago."""
        return self._keys.popitem(last=False)[0]

    def __len__(self) -> int:
        return len(self._keys)
