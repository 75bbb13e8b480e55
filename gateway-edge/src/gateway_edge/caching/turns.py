"""Whose turn it is among several answers to the same question. Pure."""

from collections import OrderedDict

MOST = 10_000  # questions whose turn is remembered; one that is forgotten begins anew


class Turns:
    """Counts each question's askers in this process, round the number of its variants."""

    def __init__(self, variants: int) -> None:
        self._variants = variants
        self._next: OrderedDict[bytes, int] = OrderedDict()

    def take(self, key: bytes) -> bytes:
        """The key of the variant that `key` has its turn with: the same but for its last byte, so that its first 31 bytes name all
        variants."""
        turn = self._next.pop(key, 0)
        self._next[key] = (turn + 1) % self._variants
        if len(self._next) > MOST:
            self._next.popitem(last=False)
        return key[:-1] + bytes([turn])
