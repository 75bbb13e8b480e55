"""Values by key, on 256 shelves by a key's first byte. Pure.

Keys are digests, so that the shelves are filled alike. One of them can be looked through in one step, however many entries there
are in all, and what grows at a time is a shelf.
"""

from collections.abc import Collection, Iterator
from itertools import chain
from typing import Generic, TypeVar

T = TypeVar("T")


class Shelves(Collection[bytes], Generic[T]):
    """A dictionary that can tell which keys begin alike. No key is empty."""

    def __init__(self) -> None:
        self._shelves: list[dict[bytes, T]] = [{} for _ in range(256)]
        self._count = 0

    def get(self, key: bytes) -> T | None:
        """What stands under the key."""
        return self._shelves[key[0]].get(key)

    def put(self, key: bytes, value: T) -> None:
        """Stands under a key that is not there."""
        self._shelves[key[0]][key] = value
        self._count += 1

    def pop(self, key: bytes) -> T:
        """Takes what stands under a key that is there."""
        self._count -= 1
        return self._shelves[key[0]].pop(key)

    def list_beside(self, prefix: bytes) -> list[bytes]:
        """The key that is the prefix, if there is one; else all on its shelf, whether they begin so or not."""
        shelf = self._shelves[prefix[0]]
        return [prefix] if prefix in shelf else list(shelf)

    def __iter__(self) -> Iterator[bytes]:
        return chain.from_iterable(self._shelves)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, bytes) and key in self._shelves[key[0]]

    def __len__(self) -> int:
        return self._count
